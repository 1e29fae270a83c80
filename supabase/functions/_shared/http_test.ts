import assert from "node:assert/strict";
import { z } from "zod";
import { requireEnv } from "./env.ts";
import { createApp, parse, readJson } from "./http.ts";

const app = createApp("test");
app.post("/echo", async (c) => {
  const schema = z.strictObject({ photo: z.strictObject({ width: z.number() }).optional() });
  return c.json(parse(schema, await readJson(c.req.raw, 100)));
});
app.get("/unset", (c) => c.json({ value: requireEnv("CABINA_SURELY_NOT_SET") }));
app.get("/broken", () => {
  throw new Error("select secret from internals");
});

async function ask(path: string, init: RequestInit = {}) {
  const response = await app.fetch(new Request(`http://x/test${path}`, init));
  return { status: response.status, headers: response.headers, body: await response.json() };
}
const post = (body: string, headers: Record<string, string> = {}) =>
  ask("/echo", {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });

Deno.test("createApp() names the field, however deep", async () => {
  assert.deepEqual((await post('{"photo":{"width":"wide"}}')).body.details[0].field, "photo.width");
  assert.deepEqual((await post('{"photo":{"width":1,"height":2}}')).body.details, [
    { field: "photo.height", message: "unknown field" },
  ]);
});

Deno.test("readJson() counts the bytes itself", async () => {
  const long = JSON.stringify({ photo: "x".repeat(200) });
  assert.equal((await post(long)).status, 413);
  assert.equal((await post(long, { "content-length": "5" })).status, 413);
});

Deno.test("createApp() tells a method from an address that it does not know", async () => {
  const method = await ask("/echo");
  assert.deepEqual([method.status, method.headers.get("allow")], [405, "POST"]);
  assert.equal((await ask("/nowhere")).status, 404);
});

Deno.test("createApp() lets no internals out", async () => {
  const broken = await ask("/broken", { headers: { "x-request-id": "abcdefgh" } });
  assert.equal(broken.status, 500);
  assert.deepEqual(broken.body, {
    success: false,
    error: "INTERNAL",
    message: "Algo falló de nuestro lado. Vuelve a intentarlo.",
    request_id: "abcdefgh",
  });
  const unset = await ask("/unset");
  assert.deepEqual([unset.status, unset.body.error], [503, "UNAVAILABLE"]);
  assert.doesNotMatch(JSON.stringify(unset.body), /CABINA_SURELY_NOT_SET/);
});
