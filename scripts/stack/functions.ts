import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { StackConfig } from "./config.ts";
import { functionEnvironment } from "./environment.ts";
import type { StackKeys } from "./keys.ts";
import { type Program, supervise, type Supervised } from "./supervisor.ts";

/** The edge functions behind the gateway. */
export interface Functions {
  /** Passes a request on with other headers; undefined when there is no function of that name. */
  handle: (name: string, request: Request, headers: Headers) => Promise<Response> | undefined;
  /** Settles when every function answers or has failed to start. */
  started: Promise<void>;
  stop: () => Promise<void>;
}

/** Editors save in several steps: changes within this time are one. */
const DEBOUNCE_MS = 100;
/** A connection breaks a moment before its process is known to have ended. */
const EXIT_MS = 500;

/**
 * Runs each folder of `supabase/functions` that has an `index.ts` as a Deno process of its own,
 * unmodified, with no more rights than the hosted runtime gives. A change of its files restarts
 * it; a change of `_shared` or `.env` restarts all.
 */
export async function startFunctions(config: StackConfig, keys: StackKeys): Promise<Functions> {
  const folder = join(config.root, "supabase/functions");
  const temp = join(config.dataDir, "functions-temp");
  await Deno.remove(temp, { recursive: true }).catch(() => {});
  await Deno.mkdir(temp);
  const env = await functionEnvironment(config, keys, folder, temp);
  const functions = new Map<string, Supervised>();
  for await (const entry of Deno.readDir(folder)) {
    const index = join(folder, entry.name, "index.ts");
    if (!await Deno.stat(index).then(() => true, () => false)) continue;
    functions.set(entry.name, supervise(functionProgram(config, entry.name, env, temp)));
  }
  const watcher = watch(folder, async (names) => {
    const fresh = await functionEnvironment(config, keys, folder, temp);
    for (const [name, supervised] of functions) {
      if (!names.has(name) && !names.has("_shared") && !names.has(".env")) continue;
      console.log(`[${name}] files changed, restarting`);
      supervised.restart(functionProgram(config, name, fresh, temp));
    }
  });
  return {
    handle(name, request, headers) {
      const supervised = functions.get(name);
      return supervised && forward(name, supervised, request, headers);
    },
    started: Promise.all([...functions.values()].map((each) => each.ready())).then(() => {}),
    async stop() {
      watcher.close();
      await Promise.all([...functions.values()].map((each) => each.stop()));
    },
  };
}

/** How a function is run; `env` is what `functionEnvironment` gives, `temp` the one folder it may write to. */
export function functionProgram(
  config: StackConfig,
  name: string,
  env: Record<string, string>,
  temp: string,
): Program {
  const folder = join(config.root, "supabase/functions");
  const shim = new URL("./edge-shim.ts", import.meta.url);
  return {
    name,
    cwd: config.root,
    env,
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-lock", "--no-check", "--cached-only"],
      ...["--node-modules-dir=manual", `--preload=${shim.pathname}`],
      `--allow-net=${allowedHosts(env).join(",")}`,
      "--allow-env", // the environment holds nothing but what the function is given
      `--allow-read=${folder},${join(config.root, "node_modules")},${temp}`,
      `--allow-write=${temp}`,
      // Hosted's limit; and the pieces of pictures that passed through are collected while they are few.
      "--v8-flags=--max-old-space-size=256,--max-semi-space-size=8",
      join(folder, name, "index.ts"),
    ],
  };
}

/** This machine, and the provider, gateway and senders that the developer's settings name. */
function allowedHosts(env: Record<string, string>): string[] {
  const urls = [
    env.KIE_API_URL,
    env.KIE_UPLOAD_URL,
    env.MP_API_URL,
    env.RESEND_API_URL,
    env.WHATSAPP_API_URL,
  ];
  const hosts = urls.flatMap((url) => URL.parse(url ?? "")?.host ?? []);
  const results = (env.KIE_RESULT_HOSTS ?? "").split(",").map((host) => host.trim());
  return [...new Set(["127.0.0.1", ...hosts, ...results])].filter((host) => host !== "");
}

/** Calls `changed` with the first path segments of what changed below the folder. */
function watch(folder: string, changed: (names: Set<string>) => void): Deno.FsWatcher {
  const watcher = Deno.watchFs(folder, { recursive: true });
  let names = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  (async () => {
    for await (const { kind, paths } of watcher) {
      const relevant = paths.filter((path) => kind !== "access" && !/_test\.ts$|~$/.test(path));
      if (relevant.length === 0) continue;
      for (const path of relevant) names.add(path.slice(folder.length + 1).split("/")[0] ?? "");
      clearTimeout(timer);
      timer = setTimeout(() => {
        changed(names);
        names = new Set();
      }, DEBOUNCE_MS);
    }
  })();
  return watcher;
}

async function forward(
  name: string,
  to: Supervised,
  request: Request,
  headers: Headers,
): Promise<Response> {
  const child = await to.ready();
  if (!child) return failure(503, "UNAVAILABLE", `The function ${name} does not start`);
  const url = new URL(request.url);
  headers.set("x-forwarded-host", url.host);
  headers.set("accept-encoding", "identity"); // the body is passed on as it comes
  child.active++;
  try {
    const path = url.pathname.slice("/functions/v1".length);
    return await fetch(`http://127.0.0.1:${child.port}${path}${url.search}`, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
    });
  } catch {
    // Who reads this answer may ask again at once, and shall not meet the process that is ending.
    const noticed = new AbortController();
    await Promise.race([child.exited, delay(EXIT_MS, undefined, noticed)]);
    noticed.abort();
    return failure(502, "INTERNAL", `The function ${name} ended before it answered`);
  } finally {
    child.active--;
  }
}

/** A failure in the functions' own envelope, readable by browsers. */
function failure(status: number, error: string, message: string): Response {
  const body = { success: false, error, message, request_id: crypto.randomUUID() };
  return Response.json(body, { status, headers: { "access-control-allow-origin": "*" } });
}
