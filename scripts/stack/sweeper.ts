import type { StackConfig } from "./config.ts";
import type { StackKeys } from "./keys.ts";

/** Longest wait for one sweep, as the hosted schedule's. */
const TIMEOUT_MS = 55_000;

/**
 * Calls the sweeper of cabina-vision at once and then every `sweepSeconds`, never two at a time,
 * in place of the hosted project's pg_cron, and audits the credits after each sweep. What is wrong is
 * logged when it begins and when it ends.
 * Returns a function that stops the timer.
 */
export function startSweeper(config: StackConfig, keys: StackKeys): () => void {
  if (config.sweepSeconds === 0) return () => {};
  const stopped = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  let problem = "";
  const sweep = async () => {
    const found = await sweepOnce(config, keys, stopped.signal);
    if (stopped.signal.aborted) return;
    if (found !== problem) console.log(found ? `sweeper: ${found}` : "sweeper: works again");
    problem = found;
    timer = setTimeout(sweep, config.sweepSeconds * 1000);
  };
  sweep();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/** Sweeps once and audits; returns what is wrong, or nothing. */
async function sweepOnce(
  config: StackConfig,
  keys: StackKeys,
  stopped: AbortSignal,
): Promise<string> {
  const post = (path: string) =>
    fetch(`${config.apiUrl}/${path}`, {
      method: "POST",
      headers: { apikey: keys.secretKey, "content-type": "application/json" },
      body: "{}",
      signal: AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  try {
    const sweep = await post("functions/v1/cabina-vision/sweep");
    await sweep.body?.cancel();
    if (!sweep.ok) return `answered ${sweep.status}`;
    const audit = await post("rest/v1/rpc/credit_audit");
    const rows = await audit.text();
    return audit.ok && rows === "[]" ? "" : `credit_audit answered ${audit.status}: ${rows}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
