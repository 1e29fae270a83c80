import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { ask, clientOf } from "./actors.ts";
import { createPerson } from "./fixtures.ts";
import { toDataUrl } from "./photos.ts";
import { callFunction, sql, stack, test } from "./stack.ts";
import { createTenant, picture, rowsOf } from "./tenants.ts";

// Attacks with tokens and keys. Their numbers are those of docs/security.md.

const victim = await createTenant();
const now = Math.floor(Date.now() / 1000);
const claims = {
  role: "authenticated",
  aud: "authenticated",
  sub: victim.user.id,
  email: victim.user.email,
  iat: now,
  exp: now + 3600,
};
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token signed by hand: libraries refuse to make the bad ones. */
function sign(payload: unknown, secret: string, header: object = {}): string {
  const signed = `${encode({ alg: "HS256", typ: "JWT", kid: "local", ...header })}.${
    encode(payload)
  }`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** A token without a signature. */
const unsigned = (payload: unknown, alg: string) =>
  `${encode({ alg, typ: "JWT" })}.${encode(payload)}.`;

const [goodHeader, goodPayload, goodSignature] = victim.user.token.split(".");
const strong = "another-secret-of-32-characters!";
const roles = ["authenticated", "service_role", "postgres", "supabase_admin", "authenticator"];

/** Tokens that nobody issued, by what is wrong with them. */
const forged: Record<string, string> = {
  ...Object.fromEntries(roles.flatMap((role) => [
    [`${role}, signed with another secret`, sign({ ...claims, role }, strong)],
    [`${role}, signed with an empty secret`, sign({ ...claims, role }, "")],
    [`${role}, signed with the publishable key`, sign({ ...claims, role }, stack.publishable_key)],
    [`${role}, unsigned`, unsigned({ ...claims, role }, "none")],
    [
      `${role}, under somebody's signature`,
      `${goodHeader}.${encode({ ...claims, role })}.${goodSignature}`,
    ],
  ])),
  "unsigned, None": unsigned(claims, "None"),
  "unsigned, though it names an algorithm": unsigned(claims, "HS256"),
  "none, with the signature of a good token": `${
    encode({ alg: "none" })
  }.${goodPayload}.${goodSignature}`,
  "the header names a file as key": sign(claims, "", { kid: "../../../../dev/null" }),
  "the header brings its own key": sign(claims, strong, {
    jwk: { kty: "oct", k: Buffer.from(strong).toString("base64url") },
  }),
  "the header points to a key": sign(claims, strong, { jku: "https://example.test/jwks.json" }),
  "an algorithm for key pairs": sign(claims, strong, { alg: "RS256" }),
  "expired": sign({ ...claims, iat: now - 7200, exp: now - 3600 }, stack.jwt_secret),
  "not yet valid": sign({ ...claims, nbf: now + 3600 }, stack.jwt_secret),
  "a cut-off signature": victim.user.token.slice(0, -4),
  "no token at all": "nonsense",
  "two tokens": `${victim.user.token}, Bearer ${victim.user.token}`,
};

test("T09 forged and expired tokens are refused everywhere", async () => {
  const before = await rowsOf(victim);
  for (const [what, token] of Object.entries(forged)) {
    const attacker = { token };
    for (const table of ["profiles?select=id,email", "generations?select=id", "events?select=id"]) {
      const rows = await ask(`rest/v1/${table}`, attacker);
      assert.equal(rows.status, 401, `${what}: ${rows.text}`);
      // 42501: the local Data API takes what is no token for none, which reads nothing either.
      assert.match(rows.body.code, /^(PGRST30[13]|42501)$/, what);
    }
    const own = `profiles?id=eq.${victim.user.id}`;
    const update = { method: "PATCH", body: JSON.stringify({ full_name: "Eve" }) };
    assert.equal((await ask(`rest/v1/${own}`, attacker, update)).status, 401, what);
    const call = { method: "POST", body: "{}" };
    assert.equal((await ask("rest/v1/rpc/credit_statement", attacker, call)).status, 401, what);

    const list = { method: "POST", body: JSON.stringify({ prefix: victim.user.id }) };
    const listed = await ask("storage/v1/object/list/user_photos", attacker, list);
    assert.ok(listed.status === 401 || listed.text === "[]", `${what}: ${listed.text}`);
    const photo = `storage/v1/object/authenticated/user_photos/${victim.selfies.user}`;
    assert.ok([400, 401].includes((await ask(photo, attacker)).status), what);

    const check = { action: "check", generation_id: victim.photos.own.id };
    for (
      const answer of [
        await callFunction("cabina-vision", check, { token }),
        await callFunction("cabina-vision/upload-url", { content_type: "image/jpeg" }, { token }),
        await callFunction("cabina-vision/account", undefined, { method: "DELETE", token }),
        await callFunction("cabina-vision/sweep", {}, { token }),
      ]
    ) assert.deepEqual([answer.status, answer.body.error], [401, "UNAUTHENTICATED"], what);

    const me = await ask("auth/v1/user", attacker);
    assert.ok([401, 403].includes(me.status), `${what}: ${me.text}`);
  }
  assert.deepEqual(await rowsOf(victim), before);
});

test("T09 a key that is wrong, or for something else, opens nothing", async () => {
  const wrong = [
    "nonsense",
    `${stack.publishable_key}x`,
    stack.publishable_key.toUpperCase(),
    "sb_secret_unknown",
    victim.user.token,
    stack.jwt_secret,
    stack.secret_key.slice(0, -1),
  ];
  for (const apikey of wrong) {
    const headers = { apikey };
    const anon = { token: null };
    assert.equal(
      (await ask("rest/v1/styles_metadata?select=id", anon, { headers })).status,
      401,
      apikey,
    );
    const list = { method: "POST", body: '{"prefix":""}', headers };
    assert.equal((await ask("storage/v1/object/list/user_photos", anon, list)).status, 401, apikey);
    const sweep = await callFunction("cabina-vision/sweep", {}, { apikey });
    assert.deepEqual([sweep.status, sweep.body.error], [401, "UNAUTHENTICATED"], apikey);
  }
});

test("T09 the publishable key as bearer is nobody, and a secret one does not work from a browser", async () => {
  const asKey = { token: stack.publishable_key };
  const rows = await ask("rest/v1/profiles?select=id", asKey);
  assert.deepEqual([rows.status, rows.body.code], [401, "42501"]);
  const request = { content_type: "image/jpeg" };
  const upload = await callFunction("cabina-vision/upload-url", request, asKey);
  assert.deepEqual([upload.status, upload.body.error], [401, "UNAUTHENTICATED"]);
  const sweep = await callFunction("cabina-vision/sweep", {}, asKey);
  assert.deepEqual([sweep.status, sweep.body.error], [403, "FORBIDDEN"]);

  const headers = { apikey: stack.secret_key, "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" };
  assert.equal((await ask("rest/v1/profiles?select=id", { token: null }, { headers })).status, 401);
});

test("T09 a user's token beside the secret key does not raise the user", async () => {
  const attacker = await createPerson();
  const mixed = await ask("rest/v1/profiles?select=id", attacker, {
    headers: { apikey: stack.secret_key },
  });
  assert.deepEqual(mixed.body, [{ id: attacker.id }]);
});

test("T09 a token without a person reads nothing", async () => {
  const { sub: _, email: __, ...nameless } = claims;
  const token = sign(nameless, stack.jwt_secret);
  const rows = await ask("rest/v1/profiles?select=id", { token });
  assert.deepEqual([rows.status, rows.body], [200, []]);
  const request = { content_type: "image/jpeg" };
  const answer = await callFunction("cabina-vision/upload-url", request, { token });
  assert.deepEqual([answer.status, answer.body.error], [401, "UNAUTHENTICATED"]);
});

test("T09 the token of a person who is gone reads and makes nothing", async () => {
  const gone = await createPerson();
  await sql`delete from auth.users where id = ${gone.id}`;

  const supabase = clientOf(gone);
  for (const table of ["profiles", "partners", "clients", "pack_unlocks", "favorites"]) {
    assert.deepEqual((await supabase.from(table).select()).data, [], table);
  }
  const favorite = await supabase.from("favorites").insert({ style_id: "pb_a" });
  assert.equal(favorite.error?.code, "23503");
  const unlock = await supabase.rpc("unlock_style_pack", { p_pack: "Superhéroes" });
  assert.equal(unlock.status, 401);
  const photo = { model_id: "pb_a", user_photo: toDataUrl(picture) };
  const generate = await callFunction("cabina-vision", photo, gone);
  assert.deepEqual([generate.status, generate.body.error], [401, "UNAUTHENTICATED"]);
});

test("T09 the token of a person who is gone stores no new file", async () => {
  const gone = await createPerson();
  await sql`delete from auth.users where id = ${gone.id}`;
  const { error } = await clientOf(gone).storage.from("user_photos")
    .upload(`${gone.id}/ghost.jpg`, picture, { contentType: "image/jpeg" });
  assert.notEqual(error, null);
  const address = await callFunction(
    "cabina-vision/upload-url",
    { content_type: "image/jpeg" },
    gone,
  );
  assert.deepEqual([address.status, address.body.error], [401, "UNAUTHENTICATED"]);
});
