import assert from "node:assert/strict";
import { join } from "node:path";
import { readConfig, type StackConfig } from "./config.ts";
import { type Functions, startFunctions } from "./functions.ts";
import { loadKeys } from "./keys.ts";
import { eventually, isolatedEnvironment } from "./testing.ts";

const SERVE = "Deno.serve(async (request) => ";
const ECHO = `${SERVE} Response.json({
  url: request.url, length: request.headers.get("content-length"), body: await request.text() }));`;

Deno.test("handle() passes path, query and body on", async () => {
  await withFunctions({ echo: ECHO }, async ({ call }) => {
    const response = await call("echo", "/deep/path?x=1", { method: "POST", body: "hello" });
    const { url, body, length } = await response.json();
    assert.equal(new URL(url).pathname + new URL(url).search, "/echo/deep/path?x=1");
    assert.deepEqual([body, length], ["hello", "5"]);
  });
});

Deno.test("handle() streams an answer while it is being written", async () => {
  const stream = `
    let go;
    const wait = new Promise((resolve) => go = resolve);
    Deno.serve((request) => {
      if (request.url.endsWith("go")) { go(); return new Response(); }
      return new Response(new ReadableStream({ async start(c) {
        c.enqueue(new TextEncoder().encode("first ")); await wait;
        c.enqueue(new TextEncoder().encode("second")); c.close(); } }));
    });`;
  await withFunctions({ stream }, async ({ call }) => {
    const reader = (await call("stream")).body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader?.read())?.value, "first ");
    await call("stream", "/go");
    assert.equal((await reader?.read())?.value, "second");
    assert.equal((await reader?.read())?.done, true);
  });
});

Deno.test("handle() answers 502 to the request that met a crash, and then works again", async () => {
  const fragile = `${SERVE} request.url.endsWith("die") ? Deno.exit(7) : new Response("alive"));`;
  await withFunctions({ fragile }, async ({ call }) => {
    const crashed = await call("fragile", "/die");
    assert.equal(crashed.status, 502);
    assert.equal((await crashed.json()).error, "INTERNAL");
    assert.equal(await (await call("fragile")).text(), "alive");
  });
});

Deno.test("a function that does not compile is 503 until its file is repaired", async () => {
  const sources = { broken: "const x = ;", echo: ECHO };
  await withFunctions(sources, async ({ call, write }) => {
    const refused = await call("broken");
    assert.equal(refused.status, 503);
    assert.equal((await refused.json()).error, "UNAVAILABLE");
    assert.equal((await call("echo")).status, 200);
    await write("broken", `${SERVE} new Response("repaired"));`);
    await eventually("the repaired function answers", async () => {
      return await (await call("broken")).text() === "repaired";
    });
  });
});

Deno.test("a change of _shared restarts every function", async () => {
  const source = `import { word } from "../_shared/word.ts"; ${SERVE} new Response(word));`;
  await withFunctions({ one: source, two: source }, async ({ call, folder }) => {
    await Deno.writeTextFile(join(folder, "_shared/word.ts"), `export const word = "new";`);
    for (const name of ["one", "two"]) {
      await eventually(`${name} was restarted`, async () => {
        return await (await call(name)).text() === "new";
      });
    }
  });
});

Deno.test("a function reaches neither the file system nor other hosts nor programs", async () => {
  const attempts = [
    `Deno.readTextFile("/etc/passwd")`,
    `Deno.writeTextFile("index.ts", "")`,
    `fetch("http://example.com")`,
    `new Deno.Command("/bin/ls").output()`,
  ];
  const curious = `${SERVE} {
    const results = await Promise.allSettled([${
    attempts.map((each) => `(async () => ${each})()`).join(", ")
  }]);
    return Response.json(results.map((result) => result.reason?.name));
  });`;
  await withFunctions({ curious }, async ({ call }) => {
    assert.deepEqual(await (await call("curious")).json(), attempts.map(() => "NotCapable"));
  });
});

Deno.test("stop() lets background work finish", async () => {
  const background = `${SERVE} {
    const file = Deno.env.get("TMPDIR") + "/done";
    EdgeRuntime.waitUntil((async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await Deno.writeTextFile(file, "yes");
    })());
    return new Response();
  });`;
  const config = await withFunctions({ background }, async ({ call }) => {
    await call("background");
  });
  assert.equal(await Deno.readTextFile(join(config.dataDir, "functions-temp/done")), "yes");
});

/** Functions of a test's own, and how to call them. */
interface Bench {
  folder: string;
  call: (name: string, path?: string, init?: RequestInit) => Promise<Response>;
  write: (name: string, source: string) => Promise<void>;
}

/** Runs the given sources as functions while `body` runs. */
async function withFunctions(
  sources: Record<string, string>,
  body: (bench: Bench) => Promise<void>,
): Promise<StackConfig> {
  const env = await isolatedEnvironment();
  const root = await Deno.makeTempDir({ prefix: "cabina-functions-" });
  const config = { ...readConfig(env), root };
  const folder = join(root, "supabase/functions");
  const write = async (name: string, source: string) => {
    await Deno.mkdir(join(folder, name), { recursive: true });
    await Deno.writeTextFile(join(folder, name, "index.ts"), source);
  };
  await Deno.mkdir(join(folder, "_shared"), { recursive: true });
  await Deno.writeTextFile(join(folder, "_shared/word.ts"), `export const word = "old";`);
  for (const [name, source] of Object.entries(sources)) await write(name, source);
  const functions: Functions = await startFunctions(config, await loadKeys(config.dataDir));
  const call = async (name: string, path = "", init: RequestInit = {}) => {
    const request = new Request(`${config.apiUrl}/functions/v1/${name}${path}`, init);
    const response = await functions.handle(name, request, new Headers(request.headers));
    return response ?? Response.error();
  };
  try {
    await functions.started;
    await body({ folder, call, write });
  } finally {
    await functions.stop();
    await Deno.remove(root, { recursive: true });
  }
  return config;
}
