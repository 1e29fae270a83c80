import type { StackConfig } from "./config.ts";
import type { StackKeys } from "./keys.ts";

/** Longest wait for one answer, as the hosted schedule's. */
const TIMEOUT_MS = 55_000;

type Post = (path: string) => Promise<Response>;

/**
 * Calls what a hosted project calls by pg_cron: the sweeper of cabina-vision, at once and then every
 * `sweepSeconds`, and mp-webhook's reconcile every `reconcileSeconds`; never two of a kind at a time. Audits
 * the credits after each. What is wrong is logged when it begins and when it ends.
 * Returns a function that stops the timers.
 */
export function startSweeper(config: StackConfig, keys: StackKeys): () => void {
  const stopped = new AbortController();
  const post: Post = (path) =>
    fetch(`${config.apiUrl}/${path}`, {
      method: "POST",
      headers: { apikey: keys.secretKey, "content-type": "application/json" },
      body: "{}",
      signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  repeat("sweeper", "cabina-vision/sweep", config.sweepSeconds, post, stopped.signal);
  repeat("reconcile", "mp-webhook/reconcile", config.reconcileSeconds, post, stopped.signal);
  return () => stopped.abort();
}

/** Calls a function at once and again, `seconds` after each answer; 0 means never. */
function repeat(name: string, path: string, seconds: number, post: Post, stopped: AbortSignal) {
  if (seconds === 0) return;
  let timer: ReturnType<typeof setTimeout>;
  let problem = "";
  const run = async () => {
    const found = await callOnce(post, path);
    if (stopped.aborted) return;
    if (found !== problem) console.log(`${name}: ${found || "works again"}`);
    problem = found;
    timer = setTimeout(run, seconds * 1000);
  };
  stopped.addEventListener("abort", () => clearTimeout(timer));
  run();
}

/** Calls once and audits; returns what is wrong, or nothing. */
async function callOnce(post: Post, path: string): Promise<string> {
  try {
    const answer = await post(`functions/v1/${path}`);
    await answer.body?.cancel();
    if (!answer.ok) return `answered ${answer.status}`;
    const audit = await post("rest/v1/rpc/credit_audit");
    const rows = await audit.text();
    return audit.ok && rows === "[]" ? "" : `credit_audit answered ${audit.status}: ${rows}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
