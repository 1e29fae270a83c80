import assert from "node:assert/strict";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from "jose";
import { ApiError, type ErrorCode } from "./errors.ts";

const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
const pair = { ...await exportJWK(publicKey), kid: "pair", alg: "ES256" };
const shared = {
  kty: "oct",
  kid: "shared",
  alg: "HS256",
  k: "c2VjcmV0IG9mIHRoaXJ0eS10d28gY2hhcmFjdGVycyE",
};
const secret = await importJWK(shared);
const claims = { sub: "somebody", role: "authenticated" };

/** Verifies as a new process of a function does whose environment has these keys. */
async function verifier(set: unknown, url = "https://project.example") {
  // Keys are read once a process, here: once a module.
  const { verifyUserToken } = await import(`./user_token.ts?${crypto.randomUUID()}`);
  return (token: string): Promise<string> => {
    if (set === undefined) Deno.env.delete("SUPABASE_JWKS");
    else Deno.env.set("SUPABASE_JWKS", typeof set === "string" ? set : JSON.stringify(set));
    Deno.env.set("SUPABASE_URL", url);
    return verifyUserToken(token);
  };
}

function sign(
  key: Parameters<SignJWT["sign"]>[0],
  header: { alg: string; kid?: string },
  payload: Record<string, unknown> = claims,
  expires = "1h",
): Promise<string> {
  return new SignJWT(payload).setProtectedHeader(header).setExpirationTime(expires).sign(key);
}

async function isRefused(work: Promise<unknown>, code: ErrorCode, what: string): Promise<void> {
  await assert.rejects(work, (error) => error instanceof ApiError && error.code === code, what);
}

Deno.test("verifyUserToken() takes tokens signed by the key that they name, of a pair or shared", async () => {
  for (const set of [{ keys: [shared, pair] }, [pair, shared]]) {
    const verify = await verifier(set);
    assert.equal(await verify(await sign(privateKey, { alg: "ES256", kid: "pair" })), "somebody");
    assert.equal(await verify(await sign(secret, { alg: "HS256", kid: "shared" })), "somebody");
  }
});

Deno.test("verifyUserToken() refuses every other token", async () => {
  const verify = await verifier({ keys: [shared, pair] });
  const publicText = new TextEncoder().encode(await exportSPKI(publicKey));
  const { privateKey: another } = await generateKeyPair("ES256");
  const good = { alg: "ES256", kid: "pair" };
  const tokens = {
    "of another key": await sign(another, good),
    "of a key without a name": await sign(privateKey, { alg: "ES256" }),
    "of a secret without a name": await sign(secret, { alg: "HS256" }),
    "of an unknown key": await sign(privateKey, { alg: "ES256", kid: "old" }),
    "with the public key as a secret": await sign(publicText, { alg: "HS256", kid: "pair" }),
    "with the secret under another algorithm": await sign(
      new Uint8Array(64),
      { alg: "HS512", kid: "shared" },
    ),
    "expired": await sign(privateKey, good, claims, "-1 minute"),
    "of nobody who is signed in": await sign(privateKey, good, { ...claims, role: "anon" }),
    "of a service": await sign(privateKey, good, { ...claims, role: "service_role" }),
    "without a role": await sign(privateKey, good, { sub: "somebody" }),
    "without an account": await sign(privateKey, good, { role: "authenticated" }),
    "unsigned": `${btoa('{"alg":"none","kid":"pair"}')}.${btoa(JSON.stringify(claims))}.`,
    "not a token": "nonsense",
    "nothing between dots": "..",
  };
  for (const [what, token] of Object.entries(tokens)) {
    await isRefused(verify(token), "UNAUTHENTICATED", what);
  }
});

Deno.test("verifyUserToken() fetches what the project publishes, and again when the keys were rotated", async () => {
  const { privateKey: nextPrivate, publicKey: nextPublic } = await generateKeyPair("ES256");
  const next = { ...await exportJWK(nextPublic), kid: "next", alg: "ES256" };
  let keys: unknown[] = [pair, shared];
  const paths: string[] = [];
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
  const server = Deno.serve(options, ({ url }) => {
    paths.push(new URL(url).pathname);
    return Response.json({ keys });
  });
  const realNow = Date.now;
  try {
    const verify = await verifier(undefined, `http://127.0.0.1:${server.addr.port}`);
    const token = await sign(privateKey, { alg: "ES256", kid: "pair" });
    assert.equal(await verify(token), "somebody");
    assert.equal(await verify(token), "somebody");
    assert.deepEqual(paths, ["/auth/v1/.well-known/jwks.json"]);
    const forged = await sign(secret, { alg: "HS256", kid: "shared" });
    await isRefused(verify(forged), "UNAUTHENTICATED", "signed with a secret that was published");

    keys = [next];
    Date.now = () => realNow() + 60_000; // not asked again within half a minute
    assert.equal(await verify(await sign(nextPrivate, { alg: "ES256", kid: "next" })), "somebody");
    assert.equal(paths.length, 2);
  } finally {
    Date.now = realNow;
    await server.shutdown();
  }
});

Deno.test("verifyUserToken() blames nobody for keys that are wrong or away", async () => {
  const token = await sign(privateKey, { alg: "ES256", kid: "pair" });
  const closed = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  closed.close();
  const address = `http://127.0.0.1:${(closed.addr as Deno.NetAddr).port}`;
  for (
    const [what, verify] of [
      ["no JSON", await verifier("{")],
      ["no keys", await verifier({})],
      ["unreachable", await verifier(undefined, address)],
      ["unencrypted", await verifier(undefined, "http://project.example")],
    ] as const
  ) await isRefused(verify(token), "UNAVAILABLE", what);
});
