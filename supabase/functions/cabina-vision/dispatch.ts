import { crashPoint } from "../_shared/crash_point.ts";
import { admin, rpc } from "../_shared/database.ts";
import { publicUrl } from "../_shared/env.ts";
import { describeError, log, timed } from "../_shared/log.ts";
import { firstBytes, signedUrl } from "../_shared/storage.ts";
import type { Provider } from "./provider/provider.ts";

/** How long the provider may fetch the selfie: 30 minutes. */
const PHOTO_SECONDS = 1800;
/** Photos claimed in one go: what four accounts take in one window. */
const BATCH = 80;

/** A row of `claim_generations()`. */
interface Job {
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
 * Takes up to `limit` photos from the queue and hands them to the provider, as far as keys have room.
 * May be killed at any line: what was claimed and not recorded is requeued by the sweeper once its
 * callback had its chance. Returns how many the provider accepted.
 */
export async function dispatchQueued(
  provider: Provider,
  limit: number,
): Promise<number> {
  const jobs = await timed(
    "claim",
    rpc<Job[]>("claim_generations", { p_limit: limit }),
  );
  if (jobs.length > 0) crashPoint("3-claimed");
  const accepted = await Promise.all(
    jobs.map((job) =>
      submit(provider, job).catch((error) => {
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
export async function dispatchFor(
  provider: Provider,
  seconds: number,
): Promise<number> {
  const deadline = Date.now() + seconds * 1000;
  let accepted = 0;
  while (true) {
    accepted += await dispatchQueued(provider, BATCH);
    const pause = await rpc<number | null>("seconds_until_dispatch"); // null: nothing to wait for
    if (pause === null || Date.now() + pause * 1000 > deadline) return accepted;
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
  }
}

class MissingPhotoError extends Error {
  override message = "the selfie is not in storage";
}

async function submit(provider: Provider, job: Job): Promise<boolean> {
  const ids = { generation_id: job.generation_id, attempt: job.attempt };
  const release = (code: string, detail: string, keyAction: string) =>
    rpc("release_attempt", {
      p_attempt_id: job.attempt_id,
      p_error_code: code,
      p_detail: detail,
      p_key_action: keyAction,
    });
  const giveUp = (code: string, detail: string) =>
    rpc("fail_attempt", {
      p_attempt_id: job.attempt_id,
      p_error_code: code,
      p_detail: detail,
      p_can_retry: false,
    });
  let imageUrl: string;
  try {
    imageUrl = await timed("photo_address", photoAddress(provider, job), ids);
  } catch (error) {
    log("error", "photo_not_reachable", {
      ...ids,
      error: describeError(error),
    });
    if (error instanceof MissingPhotoError) {
      await giveUp("GENERATION_FAILED", error.message);
    } else await release("PHOTO", describeError(error), "keep");
    return false;
  }
  const request = provider.submit(job.api_key, {
    model: job.model,
    prompt: job.prompt,
    imageUrl,
    aspectRatio: job.aspect_ratio,
    resolution: job.resolution,
    outputFormat: job.output_format,
    ...(provider.upload === null && { callbackUrl: callbackUrl(job) }),
  });
  const outcome = await timed("submit", request, { ...ids, outside: true });
  crashPoint("4-accepted");
  switch (outcome.kind) {
    case "accepted":
      await timed(
        "record",
        rpc("record_submission", {
          p_attempt_id: job.attempt_id,
          p_task_id: outcome.taskId,
        }),
        ids,
      );
      crashPoint("5-recorded");
      return true;
    case "lost":
      // It may have been accepted and billed. The claim stays as it is: a callback completes it, or the
      // sweeper sends another try when none came.
      log("warn", "submission_lost", { ...ids, detail: outcome.detail });
      return false;
    case "refused":
      log("warn", "submission_refused", {
        ...ids,
        code: outcome.code,
        detail: outcome.detail,
      });
      if (outcome.then === "retry") {
        await release(outcome.code, outcome.detail, outcome.key);
      } else {
        await giveUp(
          outcome.isContent ? "GENERATION_REFUSED" : "GENERATION_FAILED",
          `${outcome.code}: ${outcome.detail}`,
        );
      }
      return false;
  }
}

/** Where the provider finds the selfie: our signed address, or a copy at its upload host. */
async function photoAddress(provider: Provider, job: Job): Promise<string> {
  if (provider.upload === null) {
    const url = await signedUrl("user_photos", job.photo_path, PHOTO_SECONDS);
    if (url !== null) return url;
    // Storage may be away; or there is no such object, and then no other try will find it.
    if (await firstBytes("user_photos", job.photo_path, 1) === null) {
      throw new MissingPhotoError();
    }
    throw new Error("storage signed no address");
  }
  const { data, error } = await admin().storage.from("user_photos").download(job.photo_path);
  if (error !== null) throw error;
  return await provider.upload(
    job.api_key,
    data,
    `${crypto.randomUUID()}.${job.photo_path.split(".").pop()}`,
  );
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
