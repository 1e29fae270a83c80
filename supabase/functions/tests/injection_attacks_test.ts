import assert from "node:assert/strict";
import { guestRequest } from "./photos.ts";
import { callFunction, sql, test } from "./stack.ts";
import { type Actor, ask, clientOf, leaksIn, strangers } from "./actors.ts";
import { createTenant, rowsOf } from "./tenants.ts";

// Injection through everything that a client can send. Its number is that of docs/security.md.

const victim = await createTenant();
const own = await createTenant();
const [, user, , partner] = strangers(own) as [Actor, Actor, Actor, Actor];

const payloads = [
  "' or '1'='1",
  "'; drop table public.events; --",
  '"; update profiles set credits = 1e6; --',
  "$$; delete from profiles; $$",
  "1) union all table api_key_pool --",
  "x' || (table events limit 1) || '",
  "pg_sleep(30)",
  "\\'; commit; --",
  '{"$ne": null}',
  '"},"role":"service_role","x":{"',
  "id.eq.1),or=(id.not.is.null",
  "*,profiles(*)",
  "%27%3B--%00",
  "../../../etc/passwd",
  "${process.env}{{7*7}}",
  "<script>alert(1)</script>",
  "Ñandú 🦩 \u202e\u2028",
];

/** What an answer must never show: our statements, functions and files, or how a statement broke. */
const INTERNALS =
  /syntax error|unterminated|\bselect\b.*\bfrom\b|insert into|private\.|plpgsql|set_config|\.ts:\d|node_modules|\bat async\b/i;

/** A quote without end: the local Data API takes it for a fault of its own, the hosted one says 400. */
const LOCAL_PARSER = /^\{"code":"SUP",.*"Error: Missing closing quote at position \d+"\}$/;

/** Fails when an answer is a fault of the server, tells of its insides, or of the victim. */
function assertSane(
  { status, text }: { status: number; text: string },
  sent: string,
  what: string,
) {
  assert.ok(status < 500 || LOCAL_PARSER.test(text), `${what}: ${status} ${text}`);
  // What was sent may come back, as it was or quoted.
  const echoes = [
    sent,
    sent.replaceAll("'", "''"),
    JSON.stringify(sent).slice(1, -1),
    encodeURIComponent(sent),
  ];
  const rest = echoes.reduce((left, echo) => left.replaceAll(echo, ""), text);
  assert.doesNotMatch(rest, INTERNALS, `${what}: ${text}`);
  const secrets = { ...victim.secrets.forNobody, ...victim.secrets.forOthers };
  assert.deepEqual(leaksIn(rest, secrets), [], what);
}

/** Runs attacks that must leave the victim's rows and the catalogue as they were. */
async function assertHarmless(attack: () => Promise<void>): Promise<void> {
  const look = async () => [
    await rowsOf(victim),
    await sql`select count(*)::int from pg_class where relnamespace = 'public'::regnamespace`,
  ];
  const before = await look();
  await attack();
  assert.deepEqual(await look(), before);
}

test("T10 filters, columns, orders and pages of the Data API take no SQL", async () => {
  const parts = [
    "id=eq.",
    "id=in.(",
    "event_name=like.",
    "event_name=match.",
    "or=(",
    "and=(",
    "select=",
    "order=",
    "limit=",
    "offset=",
    "config->>",
    "select=id,clients(",
    "columns=",
    "on_conflict=",
  ];
  await assertHarmless(async () => {
    for (const payload of payloads) {
      const encoded = encodeURIComponent(payload);
      for (const part of parts) {
        const closing = part.endsWith("(") ? ")" : "";
        const query = `${part.startsWith("select") ? "" : "select=id&"}${part}${encoded}${closing}`;
        const answer = await ask(`rest/v1/events?${query}`, partner);
        assertSane(answer, payload, query);
        if (answer.status < 300) {
          assert.ok(answer.body.every(({ id = own.event.id }) => id === own.event.id), query);
        }
      }
      for (const path of [`events?select=id&${encoded}=eq.1`, encoded, `rpc/${encoded}`]) {
        const answer = await ask(`rest/v1/${path}`, partner);
        assertSane(answer, payload, path);
        assert.ok(answer.status >= 400, path);
      }
    }
  });
});

test("T10 arguments of functions take no SQL", async () => {
  await assertHarmless(async () => {
    for (const payload of payloads) {
      const call = (name: string, args: unknown) =>
        ask(`rest/v1/rpc/${name}`, user, { method: "POST", body: JSON.stringify(args) });
      const unlock = await call("unlock_style_pack", { p_pack: payload });
      assert.deepEqual([unlock.status, unlock.body.code], [404, "PT404"]);
      assertSane(unlock, payload, "p_pack");
      const account = await call("credit_statement", { p_account: payload });
      assert.deepEqual([account.status, account.body.code], [400, "PT400"]);
      assertSane(account, payload, "p_account");
      for (const name of ["p_account_id", "p_before", "p_limit"]) {
        const answer = await call("credit_statement", { [name]: payload });
        assert.deepEqual([answer.status, answer.body.code], [400, "22P02"], name);
        assertSane(answer, payload, name);
      }
      const unknown = await call("credit_statement", { [payload]: 1 });
      assert.deepEqual([unknown.status, unknown.body.code], [404, "PGRST202"]);
      assertSane(unknown, payload, "the name of an argument");
    }
  });
});

test("T10 names are stored letter by letter, favourites only of styles that exist", async () => {
  const supabase = clientOf(user);
  await assertHarmless(async () => {
    for (const payload of payloads) {
      const { data } = await supabase.from("profiles").update({ full_name: payload })
        .eq("id", user.id!).select("full_name");
      assert.deepEqual(data, [{ full_name: payload }]);
      const [row] = await sql`select full_name from profiles where id = ${user.id}`;
      assert.equal(row!.full_name, payload);
      const favorite = await supabase.from("favorites").insert({ style_id: payload });
      assert.deepEqual([favorite.status, favorite.error?.code], [403, "42501"]);
    }
  });
  const broken = { method: "PATCH", body: '{"full_name": "a", "full_name": "b"}}' };
  const answer = await ask(`rest/v1/profiles?id=eq.${user.id}`, user, broken);
  assert.equal(answer.status, 400);
  assertSane(answer, broken.body, "broken JSON");
});

test("T10 every field of cabina-vision refuses what is not of its form", async () => {
  const request = await guestRequest(own.event.slug);
  const forms: [string, Record<string, unknown>, string[]][] = [
    ["cabina-vision", request, [
      "action",
      "user_photo",
      "photo_path",
      "model_id",
      "aspect_ratio",
      "event_id",
      "event_slug",
      "guest_id",
      "wait",
      "email",
      "phone",
      "user_id",
    ]],
    ["cabina-vision", { action: "check", generation_id: crypto.randomUUID() }, [
      "generation_id",
      "taskId",
      "wait",
    ]],
    ["cabina-vision/upload-url", { content_type: "image/jpeg", event_slug: own.event.slug }, [
      "content_type",
      "event_slug",
    ]],
  ];
  const shapes: unknown[] = [{ $ne: null }, [payloads[0]], { toString: "x" }, true, null];
  await assertHarmless(async () => {
    for (const [route, body, fields] of forms) {
      for (const field of fields) {
        for (const value of [...payloads, ...shapes]) {
          const answer = await callFunction(route, { ...body, [field]: value });
          const what = `${route} ${field} ${JSON.stringify(value)}`;
          assert.deepEqual([answer.status, answer.body.error], [400, "INVALID_INPUT"], what);
          assertSane(
            { status: 400, text: JSON.stringify(answer.body) },
            JSON.stringify(value),
            what,
          );
        }
      }
      for (const payload of [...payloads, "__proto__", "constructor"]) {
        const answer = await callFunction(route, undefined, {
          rawBody: JSON.stringify(body).replace(
            "{",
            `{${JSON.stringify(payload)}:{"isService":true},`,
          ),
        });
        assert.deepEqual([answer.status, answer.body.error], [400, "INVALID_INPUT"], payload);
      }
    }
  });
});

test("T10 free texts of cabina-vision are compared and stored letter by letter", async () => {
  const request = await guestRequest(own.event.slug);
  const idempotency_key = "'; drop table public.events; --";
  const made = await callFunction("cabina-vision", { ...request, idempotency_key });
  assert.equal(made.status, 202);
  const [row] =
    await sql`select idempotency_key from generations where id = ${made.body.generation_id}`;
  assert.equal(row!.idempotency_key, idempotency_key);

  await sql`update events set config = config || '{"access":"key"}' where id = ${own.event.id}`;
  for (const k of [...payloads, "%", "_".repeat(32)]) {
    const upload = { content_type: "image/jpeg", event_slug: own.event.slug, k };
    for (
      const answer of [
        await callFunction("cabina-vision", { ...request, k }),
        await callFunction("cabina-vision/upload-url", upload),
      ]
    ) assert.deepEqual([answer.status, answer.body.error], [403, "FORBIDDEN"], k);
  }
  await sql`update events set config = config - 'access' where id = ${own.event.id}`;
});

test("T10 what no text column can hold is invalid input", async () => {
  const request = await guestRequest(own.event.slug);
  for (const letter of ["\u0000", "\ud800"]) {
    for (const field of ["idempotency_key", "k"]) {
      const answer = await callFunction("cabina-vision", {
        ...request,
        [field]: letter.repeat(16),
      });
      const what = `${field} ${JSON.stringify(letter)}`;
      assert.deepEqual([answer.status, answer.body.error], [400, "INVALID_INPUT"], what);
    }
  }
  // PostgreSQL refuses both; lite writes half a character as U+FFFD.
  for (const [letter, statuses] of [["\\u0000", [400]], ["\\ud800", [204, 400]]] as const) {
    const change = { method: "PATCH", body: `{"full_name":"${letter}"}` };
    const answer = await ask(`rest/v1/profiles?id=eq.${user.id}`, user, change);
    assert.ok(statuses.some((status) => status === answer.status), answer.text);
    assertSane(answer, letter, "full_name");
  }
});

test("T10 an id in an address takes no SQL", async () => {
  for (const payload of payloads) {
    const route = `cabina-vision/generations/${encodeURIComponent(payload)}`;
    const answer = await callFunction(route, undefined, { method: "DELETE", token: user.token! });
    assert.deepEqual([answer.status, answer.body.error], [404, "GENERATION_NOT_FOUND"], payload);
  }
});

test("T10 headers change nothing but what they are for", async () => {
  const names = [
    "x-client-info",
    "accept-language",
    "x-request-id",
    "idempotency-key",
    "prefer",
    "range",
    "x-forwarded-for",
    "cookie",
    "x-upsert",
    "content-profile",
    "user-agent",
    "origin",
  ];
  // Headers are Latin letters by their nature.
  const values = payloads.filter((payload) => /^[\x20-\x7e]+$/.test(payload));
  const check = { action: "check", generation_id: crypto.randomUUID() };
  await assertHarmless(async () => {
    for (const value of values) {
      const headers = Object.fromEntries(names.map((name) => [name, value]));
      const answer = await callFunction("cabina-vision", check, { headers });
      assert.deepEqual([answer.status, answer.body.error], [404, "GENERATION_NOT_FOUND"]);
      assert.match(answer.headers.get("x-request-id")!, /^[\w-]{36}$/, "not the one that was sent");
      assertSane({ status: 404, text: JSON.stringify(answer.body) }, value, value);
      for (const name of names) {
        const rows = await ask("rest/v1/events?select=id", partner, { headers: { [name]: value } });
        assertSane(rows, value, `${name}: ${value}`);
        if (rows.status === 200) assert.deepEqual(rows.body, [{ id: own.event.id }], name);
      }
      const prefer = `count=exact, tx=commit, timezone=${value}, max-affected=${value}`;
      const preferred = await ask("rest/v1/events?select=id", partner, { headers: { prefer } });
      assertSane(preferred, value, prefer);
    }
  });
});
