import { crashPoint } from "../_shared/crash_point.ts";
import { rpc } from "../_shared/database.ts";
import { describeError, log, timed } from "../_shared/log.ts";
import { photoAddresses } from "./photo_addresses.ts";
import type { Provider } from "./provider/provider.ts";
import { type Job, submit } from "./submit.ts";

/** Photos claimed in one go: what four accounts take in one window. */
const BATCH = 80;

/**
 * Takes up to `limit` photos from the queue and hands them to the provider, as far as keys have room.
 * May be killed at any line: what was claimed and not recorded is requeued by the sweeper once its
 * callback had its chance. Returns how many the provider accepted.
 */
export async function dispatchQueued(provider: Provider, limit: number): Promise<number> {
  const claimedAt = performance.now();
  const jobs = await timed("claim", rpc<Job[]>("claim_generations", { p_limit: limit }));
  if (jobs.length === 0) return 0;
  crashPoint("3-claimed");
  const addresses = await timed("photo_addresses", photoAddresses(provider, jobs));
  const accepted = await Promise.all(
    jobs.map((job, i) =>
      submit(provider, job, addresses[i]!, claimedAt).catch((error) => {
        // Not recorded: the claim stays as it is, and its lease is the sweeper's to end.
        log("error", "submission_not_recorded", {
          generation_id: job.generation_id,
          error: describeError(error),
        });
        return false;
      })
    ),
  );
  return accepted.filter(Boolean).length;
}

/**
 * Goes on dispatching for at most `seconds` as accounts get room: nobody else may be there to do it until
 * the next sweep. Returns how many photos the provider accepted.
 */
export async function dispatchFor(provider: Provider, seconds: number): Promise<number> {
  const deadline = Date.now() + seconds * 1000;
  let accepted = 0;
  while (true) {
    accepted += await dispatchQueued(provider, BATCH);
    const pause = await rpc<number | null>("seconds_until_dispatch"); // null: nothing to wait for
    if (pause === null || Date.now() + pause * 1000 > deadline) return accepted;
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
  }
}
