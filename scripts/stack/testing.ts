import { fileURLToPath } from "node:url";
import { freePort } from "./ports.ts";
import type { StackInfo } from "./stack.ts";

/** A stack of a test's own, in a process of its own. */
export interface TestStack {
  info: StackInfo;
  /** Where `stack.json` is, for the variable CABINA_STACK of other processes. */
  infoFile: string;
  dataDir: string;
  /** Process id of the stack: killing it is what some tests are about. */
  pid: number;
  /** Everything it has printed so far. */
  log: () => string;
  /** Stops it by SIGTERM; the data folder stays. */
  stop: () => Promise<void>;
}

/** The stack of this test run, whose `stack.json` the variable CABINA_STACK names. */
export async function readStack(): Promise<StackInfo> {
  const file = Deno.env.get("CABINA_STACK");
  if (!file) {
    throw new Error("CABINA_STACK is not set: run npm test, or name a running stack's stack.json");
  }
  return JSON.parse(await Deno.readTextFile(file));
}

/** Variables that start a stack on free ports with a data folder of its own in the temp folder. */
export async function isolatedEnvironment(): Promise<Record<string, string>> {
  const dataDir = await Deno.makeTempDir({ prefix: "cabina-test-" });
  await Deno.chmod(dataDir, 0o755); // run as root, the database's account must reach it
  return {
    CABINA_API_PORT: String(freePort()),
    CABINA_DB_PORT: String(freePort()),
    CABINA_SIM_PORT: String(freePort()),
    CABINA_DATA_DIR: dataDir,
  };
}

/**
 * Starts a stack as `npm start` does and returns once it is ready. The variables given must name
 * ports and data folder (`isolatedEnvironment`). Throws an Error with its output when it fails.
 */
export async function startTestStack(env: Record<string, string>): Promise<TestStack> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", fileURLToPath(new URL("../start.ts", import.meta.url))],
    // The stack ends itself when the process that started it dies, as it does under npm.
    env: { ...env, npm_lifecycle_event: "test" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let log = "";
  const ready = Promise.withResolvers<boolean>();
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      log += text;
      if (log.includes("Ctrl-C stops it.")) ready.resolve(true);
    }
  };
  const ended = Promise.all([read(process.stdout), read(process.stderr), process.status]);
  ended.then(() => ready.resolve(false));
  if (!await ready.promise) throw new Error(`The stack did not start:\n${log}`);
  const infoFile = `${env.CABINA_DATA_DIR}/stack.json`;
  return {
    info: JSON.parse(await Deno.readTextFile(infoFile)),
    infoFile,
    dataDir: env.CABINA_DATA_DIR ?? "",
    pid: process.pid,
    log: () => log,
    async stop() {
      try {
        process.kill("SIGTERM");
      } catch {
        // It was killed by the test already.
      }
      await ended;
    },
  };
}

/**
 * Polls until `probe` returns something other than undefined or false, and returns that. Throws an
 * Error that says `what` did not happen in time.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  seconds = 30,
): Promise<Exclude<T, undefined | false>> {
  const deadline = Date.now() + seconds * 1000;
  while (true) {
    const found = await probe();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
