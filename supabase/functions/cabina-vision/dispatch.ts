import { admin, rpc } from "../_shared/database.ts";
import { publicUrl } from "../_shared/env.ts";
import { describeError, log } from "../_shared/log.ts";
import { signedUrl } from "../_shared/storage.ts";
import { failAttempt, releaseAttempt } from "./attempts.ts";
import type { Provider } from "./provider/provider.ts";

/** How long the provider may fetch the selfie: 30 minutes. */
const PHOTO_SECONDS = 1800;

/** A row of `claim_generation()`. */
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
export async function dispatchQueued(provider: Provider, limit: number): Promise<number> {
  const submissions: Promise<boolean>[] = [];
  while (submissions.length < limit) {
    const [job] = await rpc<Job[]>("claim_generation");
    if (job === undefined) break;
    submissions.push(submit(provider, job));
  }
  return (await Promise.all(submissions)).filter(Boolean).length;
}

async function submit(provider: Provider, job: Job): Promise<boolean> {
  const ids = { generation_id: job.generation_id, attempt: job.attempt };
  let imageUrl: string;
  try {
    imageUrl = await photoAddress(provider, job);
  } catch (error) {
    log("error", "photo_not_reachable", { ...ids, error: describeError(error) });
    await releaseAttempt(job, "PHOTO", describeError(error));
    return false;
  }

  const outcome = await provider.submit(job.api_key, {
    model: job.model,
    prompt: job.prompt,
    imageUrl,
    aspectRatio: job.aspect_ratio,
    resolution: job.resolution,
    outputFormat: job.output_format,
    ...(provider.upload === null && { callbackUrl: callbackUrl(job) }),
  });

  switch (outcome.kind) {
    case "accepted":
      await rpc("record_submission", { p_attempt_id: job.attempt_id, p_task_id: outcome.taskId });
      return true;
    case "lost":
      // It may have been accepted and billed. The claim stays as it is: a callback completes it, or the
      // sweeper sends another try when none came.
      log("warn", "submission_lost", { ...ids, detail: outcome.detail });
      return false;
    case "refused":
      log("warn", "submission_refused", { ...ids, code: outcome.code, detail: outcome.detail });
      if (outcome.then === "fail") {
        await failAttempt(job, outcome);
      } else {
        await releaseAttempt(job, outcome.code, outcome.detail, outcome.key);
      }
      return false;
  }
}

/** Where the provider finds the selfie: our signed address, or a copy at its upload host. */
async function photoAddress(provider: Provider, job: Job): Promise<string> {
  if (provider.upload === null) {
    const url = await signedUrl("user_photos", job.photo_path, PHOTO_SECONDS);
    if (url === null) throw new Error("the selfie is not in storage");
    return url;
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
