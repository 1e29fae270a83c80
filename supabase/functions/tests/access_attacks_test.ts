import assert from "node:assert/strict";
import { type Actor, ask, clientOf, leaksIn, openTables, strangers, withMaster } from "./actors.ts";
import { anonymousClient, sql, test } from "./stack.ts";
import { createTenant, rowsOf } from "./tenants.ts";

// Attacks on tables and functions of the Data API. Their numbers are those of docs/security.md.

const victim = await createTenant();
const own = await createTenant();
const attackers = strangers(own);
const [anon, user, client, partner] = attackers as [Actor, Actor, Actor, Actor];
const tables = await openTables();
await sql`insert into favorites (user_id, style_id) values (${victim.user.id}, 'pb_a')`;

/** PostgREST says 401 to anon and 403 to a person whom the database refuses. */
const refusal = ({ token }: Actor) => [token === null ? 401 : 403, "42501"];

/** Fails when an answer carries anything that only the victim's own people may know. */
function assertNothingOfVictim(text: string, what: string): void {
  assert.deepEqual(
    leaksIn(text, { ...victim.secrets.forNobody, ...victim.secrets.forOthers }),
    [],
    what,
  );
}

/** Runs attacks that must leave the victim's rows as they were. */
async function assertHarmless(attack: () => Promise<void>): Promise<void> {
  const before = await rowsOf(victim);
  await attack();
  assert.deepEqual(await rowsOf(victim), before);
}

test("T01 nobody raises their own credits, role or referral", async () => {
  const changes = {
    credits: 1_000_000,
    role: "master",
    is_master: true,
    referral_code: "gratis22",
    referred_by: victim.user.id,
    total_generations: 0,
    email: victim.user.email,
    id: victim.user.id,
  };
  for (const { id, token } of [user, client, partner]) {
    const before = await sql`select * from profiles where id = ${id}`;
    const profiles = clientOf({ token }).from("profiles");
    for (const [column, value] of Object.entries(changes)) {
      // A generated column is refused before rights are looked at.
      const refused = column === "is_master" ? [400, "428C9"] : [403, "42501"];
      for (const change of [{ [column]: value }, { full_name: "Eve", [column]: value }]) {
        const update = await profiles.update(change).eq("id", id!);
        assert.deepEqual([update.status, update.error?.code], refused, column);
        const upsert = await profiles.upsert({ id, ...change });
        assert.deepEqual([upsert.status, upsert.error?.code], refused, column);
      }
    }
    assert.deepEqual(await sql`select * from profiles where id = ${id}`, before);
  }
});

test("T01 what people claim of themselves, at sign-up and later, is not believed", async () => {
  const email = `${crypto.randomUUID()}@example.test`;
  const password = "correct horse battery";
  const claims = { role: "master", is_master: true, credits: 9999, total_generations: -5 };
  const { auth } = anonymousClient();
  assert.equal((await auth.signUp({ email, password, options: { data: claims } })).error, null);
  await sql`update auth.users set email_confirmed_at = now() where email = ${email}`;
  assert.equal((await auth.signInWithPassword({ email, password })).error, null);
  const change = { data: claims, app_metadata: claims, role: "service_role" };
  await auth.updateUser(change);
  const { data: { session } } = await auth.refreshSession();

  const [profile] = await sql`
    select credits, role, is_master, total_generations, referred_by from profiles where email = ${email}`;
  assert.deepEqual({ ...profile }, {
    credits: 500,
    role: "user",
    is_master: false,
    total_generations: 0,
    referred_by: null,
  });
  const { data } = await clientOf({ token: session!.access_token }).from("partners").select("id");
  assert.deepEqual(data, []);
});

test("T02 nobody writes a table directly, not even a master", async () => {
  await withMaster((master) =>
    assertHarmless(async () => {
      for (const actor of [...attackers, master]) {
        for (const { name, columns } of tables.filter((table) => table.name !== "favorites")) {
          const [key] = columns;
          // The last column: keys may be generated, which is refused before rights are looked at.
          const row = JSON.stringify({ [columns.at(-1)!]: null });
          const attempts = [
            ["POST", name, row, "return=minimal"],
            ["POST", name, row, "resolution=merge-duplicates"],
            ["PATCH", `${name}?${key}=not.is.null`, row, "return=representation"],
            ["DELETE", `${name}?${key}=not.is.null`, null, "return=representation"],
          ] as const;
          for (const [method, target, body, prefer] of attempts) {
            const headers = { prefer };
            const answer = await ask(`rest/v1/${target}`, actor, { method, headers, body });
            assert.deepEqual(
              [answer.status, answer.body.code],
              refusal(actor),
              `${actor.name}: ${method} ${target}: ${answer.text}`,
            );
          }
        }
      }
    })
  );
});

test("T02 the two writes that people have, of their name and favourites, reach their own rows only", async () => {
  await assertHarmless(async () => {
    for (const actor of [user, client, partner]) {
      const supabase = clientOf(actor);
      const theirs = { user_id: victim.user.id, style_id: "pb_b" };
      const renamed = await supabase.from("profiles").update({ full_name: "Eve" })
        .neq("id", actor.id!).select("id");
      assert.deepEqual([renamed.status, renamed.data], [200, []]);
      const planted = await supabase.from("favorites").insert(theirs);
      assert.deepEqual([planted.status, planted.error?.code], [403, "42501"]);
      const replaced = await supabase.from("favorites").upsert({ ...theirs, style_id: "pb_a" });
      assert.deepEqual([replaced.status, replaced.error?.code], [403, "42501"]);
      const backdated = await supabase.from("favorites")
        .insert({ style_id: "pb_b", created_at: "2020-01-01" });
      assert.deepEqual([backdated.status, backdated.error?.code], [403, "42501"]);
      const moved = await supabase.from("favorites").update({ user_id: victim.user.id })
        .eq("user_id", actor.id!);
      assert.deepEqual([moved.status, moved.error?.code], [403, "42501"]);
      const removed = await supabase.from("favorites").delete().neq("user_id", actor.id!).select();
      assert.deepEqual([removed.status, removed.data], [200, []]);
    }
  });
});

test("T03 no filter, order or range shows rows of another tenant", async () => {
  const ranges: Record<string, string>[] = [{}, { range: "0-999" }, { range: "-1" }];
  for (const actor of attackers) {
    for (const table of tables) {
      const columns = actor.token === null ? table.forAnon : table.forPeople;
      const [key] = columns;
      if (key === undefined) continue;
      const queries = [
        "",
        `or=(${key}.not.is.null,${key}.is.null)`,
        `or=(and(${key}.not.is.null),not.and(${key}.not.is.null))`,
        `not.or=(${key}.is.null)`,
        `order=${key}.desc.nullslast&limit=1000&offset=0`,
      ];
      for (const query of queries) {
        for (const headers of ranges) {
          const path = `rest/v1/${table.name}?select=${columns}&${query}`;
          const answer = await ask(path, actor, { headers });
          assert.ok([200, 206, 416].includes(answer.status), `${path}: ${answer.text}`);
          assertNothingOfVictim(answer.text, `${actor.name}: ${path}`);
        }
      }
    }
  }
  const { data } = await clientOf(partner).from("events").select("id");
  assert.deepEqual(data, [{ id: own.event.id }], "the partner does see its own");
});

test("T03 hidden columns can be neither read nor guessed at by filter or order", async () => {
  await withMaster(async (master) => {
    for (const actor of [...attackers, master]) {
      for (const { name, columns, forAnon, forPeople } of tables) {
        const open = actor.token === null ? forAnon : forPeople;
        for (const column of columns.filter((each) => !open.includes(each))) {
          const any = `select=${open[0] ?? column}`;
          const queries = [
            `select=${column}`,
            `select=x:${column}::text`,
            `${any}&${column}=not.is.null`,
            `${any}&or=(${column}.not.is.null)`,
            `${any}&order=${column}`,
          ];
          for (const query of queries) {
            const answer = await ask(`rest/v1/${name}?${query}`, actor);
            const what = `${actor.name}: ${name}?${query}: ${answer.text}`;
            assert.deepEqual([answer.status, answer.body.code], refusal(actor), what);
          }
        }
      }
    }
  });
});

/** Functions of the API that signed-in people call by name. */
const OPEN_FUNCTIONS = ["credit_statement", "unlock_style_pack"];

test("T06 internal functions answer nobody, by POST or GET", async () => {
  const functions = await sql<{ name: string; args: string[]; isOpen: boolean }[]>`
    select proname as name, proname = any(${OPEN_FUNCTIONS}) as "isOpen",
      coalesce(proargnames[1:pronargs - pronargdefaults], '{}') as args
    from pg_proc where pronamespace = 'public'::regnamespace`;
  assert.ok(functions.length > 20);
  await assertHarmless(async () => {
    for (const { name, args, isOpen } of functions) {
      for (const actor of isOpen ? [anon] : [anon, user, client, partner]) {
        const values = Object.fromEntries(args.map((arg) => [arg, null]));
        const body = JSON.stringify(values);
        const post = await ask(`rest/v1/rpc/${name}`, actor, { method: "POST", body });
        assert.deepEqual([post.status, post.body.code], refusal(actor), `${name}: ${post.text}`);
        // With a preference another way through the local API is taken.
        const headers = { prefer: "params=single-object" };
        const prefer = await ask(`rest/v1/rpc/${name}`, actor, { method: "POST", body, headers });
        assert.ok(prefer.status >= 400, `${name}: ${prefer.text}`);
        const query = args.map((arg) => `${arg}=1`).join("&");
        const get = await ask(`rest/v1/rpc/${name}?${query}`, actor);
        // The local API trips over a 1 for a date before it asks for rights: a refusal all the same.
        assert.ok(get.status >= 400, `GET ${name}: ${get.text}`);
      }
    }
  });
});

test("T06 a GET of a function that writes is refused", async () => {
  const before = await sql`select * from profiles where id = ${user.id}`;
  const pack = encodeURIComponent("Superhéroes");
  const answer = await ask(`rest/v1/rpc/unlock_style_pack?p_pack=${pack}`, user);
  assert.ok([402, 405].includes(answer.status), answer.text);
  assert.deepEqual(await sql`select * from profiles where id = ${user.id}`, before);
});

test("T06 no profile header opens another schema", async () => {
  for (
    const schema of ["private", "auth", "storage", "extensions", "pg_catalog", "private,public"]
  ) {
    for (const actor of attackers) {
      const get = await ask("rest/v1/settings?select=*", actor, {
        headers: { "accept-profile": schema },
      });
      assert.deepEqual([get.status, get.body.code], [406, "PGRST106"], `${schema}: ${get.text}`);
      for (const path of ["rpc/post_movement", "rpc/grant_credits", "settings"]) {
        const headers = { "content-profile": schema };
        const post = await ask(`rest/v1/${path}`, actor, { method: "POST", headers, body: "{}" });
        assert.deepEqual(
          [post.status, post.body.code],
          [406, "PGRST106"],
          `${schema}: ${post.text}`,
        );
      }
    }
  }
});
