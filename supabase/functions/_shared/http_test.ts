import assert from "node:assert/strict";
import { z } from "zod";
import { requireEnv } from "./env.ts";
import { createApp, inBackground, parse, readJson } from "./http.ts";
import { log, timed } from "./log.ts";

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

/** The lines that a request writes to the log, its background work included. */
async function linesOf(path: string): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  const { info, warn, error } = console;
  Object.assign(console, { info: write, warn: write, error: write });
  try {
    await app.fetch(new Request(`http://x/test${path}`));
    await Promise.allSettled(background.splice(0));
    await new Promise((resolve) => setTimeout(resolve));
  } finally {
    Object.assign(console, { info, warn, error });
  }
  return lines;
}

const background: Promise<unknown>[] = [];
const later = (work: Promise<unknown>) => {
  background.push(work);
  inBackground(work);
};
app.get("/busy", async (c) => {
  c.get("line").note({ generation_id: "g" });
  await timed("begin", Promise.resolve());
  later(
    timed("submit", new Promise((resolve) => setTimeout(resolve, 20)), { outside: true })
      .then(() => log("warn", "submission_refused", { code: "429" })),
  );
  return c.json({});
});
app.get("/routine", (c) => {
  c.get("line").isRoutine = true;
  later(Promise.resolve());
  return c.json({});
});
app.get("/not-so-routine", (c) => {
  c.get("line").isRoutine = true;
  later(Promise.reject(new Error("lost")));
  return c.json({});
});
app.get("/chatty", (c) => {
  for (let i = 0; i < 1000; i++) log("info", "step", { i, text: "x".repeat(500) });
  return c.json({});
});

Deno.test("a request is one line, with its steps, also those after the answer", async () => {
  const lines = await linesOf("/busy");
  assert.equal(lines.length, 1);
  const { level, event, generation_id, status, path, steps } = lines[0]!;
  assert.deepEqual([level, event, generation_id, status, path], [
    "warn",
    "request",
    "g",
    200,
    "/test/busy",
  ]);
  const [begin, submit, refused] = steps as Record<string, unknown>[];
  assert.equal(begin!.step, "begin");
  assert.ok(submit!.step === "submit" && submit!.outside === true && Number(submit!.ms) >= 15);
  assert.deepEqual(refused, { step: "submission_refused", level: "warn", code: "429" });
});

Deno.test("what is routine is not written, unless something went wrong on the way", async () => {
  assert.deepEqual(await linesOf("/routine"), []);
  const [line] = await linesOf("/not-so-routine");
  assert.equal(line!.level, "error");
});

Deno.test("a line stays below what the platform cuts off, and keeps what came last", async () => {
  const [line] = await linesOf("/chatty");
  const steps = line!.steps as { i: number }[];
  assert.ok(JSON.stringify(line).length < 10_000);
  assert.equal(steps.at(-1)!.i, 999);
  assert.equal(steps.length + Number(line!.steps_left_out), 1000);
});
