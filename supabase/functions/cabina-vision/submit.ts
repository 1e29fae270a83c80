import { crashPoint } from "../_shared/crash_point.ts";
import { rpc } from "../_shared/database.ts";
import { publicUrl } from "../_shared/env.ts";
import { log, timed } from "../_shared/log.ts";
import type { PhotoAddress } from "./photo_addresses.ts";
import type { Provider, SubmitOutcome } from "./provider/provider.ts";

/** A row of `claim_generations()`: an attempt that was opened for a photo, and all that the provider is told. */
export interface Job {
  attempt_id: number;
  generation_id: string;
  attempt: number;
  callback_token: string;
  api_key: string;
  photo_path: string;
  prompt: string;
  aspect_ratio: string;
  model: string;
  resolution: string;
  output_format: string;
}

/**
 * Hands a claimed photo to the provider and records what became of it. `claimedAt` is when the claim was
 * requested, by `performance.now()`. Returns whether it was accepted.
 */
export async function submit(
  provider: Provider,
  job: Job,
  address: PhotoAddress,
  claimedAt: number,
): Promise<boolean> {
  const ids = { generation_id: job.generation_id, attempt: job.attempt };
  if (address.kind === "not_there") {
    const { isGone, detail } = address;
    log("error", "photo_not_there", { ...ids, detail });
    await refuse(job, {
      kind: "refused",
      code: "PHOTO",
      detail,
      then: isGone ? "fail" : "retry",
      key: "keep",
      isContent: false,
    });
    return false;
  }
  const request = provider.submit(job.api_key, {
    model: job.model,
    prompt: job.prompt,
    imageUrl: address.url,
    aspectRatio: job.aspect_ratio,
    resolution: job.resolution,
    outputFormat: job.output_format,
    ...(provider.upload === null && { callbackUrl: callbackUrl(job) }),
  });
  const outcome = await timed("submit", request, { ...ids, outside: true });
  const elapsed = performance.now() - claimedAt;
  crashPoint("4-accepted");
  switch (outcome.kind) {
    case "accepted": {
      const facts = {
        p_attempt_id: job.attempt_id,
        p_task_id: outcome.taskId,
        p_elapsed_seconds: elapsed / 1000,
      };
      await timed("record", rpc("record_submission", facts), ids);
      crashPoint("5-recorded");
      return true;
    }
    case "lost":
      // It may have been accepted and billed. The claim stays as it is: a callback completes it, or the
      // sweeper sends another try when none came.
      log("warn", "submission_lost", { ...ids, detail: outcome.detail });
      return false;
    case "refused":
      log("warn", "submission_refused", { ...ids, code: outcome.code, detail: outcome.detail });
      await refuse(job, outcome);
      return false;
  }
}

/** No task was made: another try, or the end. */
async function refuse(job: Job, refusal: SubmitOutcome & { kind: "refused" }): Promise<void> {
  if (refusal.then === "retry") {
    await rpc("release_attempt", {
      p_attempt_id: job.attempt_id,
      p_error_code: refusal.code,
      p_detail: refusal.detail,
      p_key_action: refusal.key,
    });
  } else {
    await rpc("fail_attempt", {
      p_attempt_id: job.attempt_id,
      p_error_code: refusal.isContent ? "GENERATION_REFUSED" : "GENERATION_FAILED",
      p_detail: `${refusal.code}: ${refusal.detail}`,
      p_can_retry: false,
    });
  }
}

/** Carries generation, attempt and token: a callback recovers a task whose id never reached us. */
function callbackUrl(job: Job): string {
  const query = new URLSearchParams({
    generation: job.generation_id,
    attempt: String(job.attempt),
    token: job.callback_token,
  });
  return `${publicUrl()}/functions/v1/cabina-vision/callback?${query}`;
}
