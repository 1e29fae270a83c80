import { rpc } from "../_shared/database.ts";
import { ApiError } from "../_shared/errors.ts";
import { createFingerprint, type Fingerprint } from "../_shared/fingerprint.ts";
import { describeError, log } from "../_shared/log.ts";
import { publicObjectUrl, store } from "../_shared/storage.ts";
import { failAttempt, releaseAttempt } from "./attempts.ts";
import type { Provider, TaskState } from "./provider/provider.ts";

/** Seconds for which the provider may not know a task that it has just made. */
const UNKNOWN_GRACE_SECONDS = 30;
/** How long caches may keep a picture that can be hidden at any moment. */
const CACHE_SECONDS = 60;
/** A task that failed for a passing reason gets this many tries in all. */
const MAX_TRIES = 2;

/** A task at the provider and the attempt that it belongs to. */
export interface Task {
  attempt_id: number;
  generation_id: string;
  task_id: string;
  api_key: string;
  attempt: number;
  seconds_since_submission: number;
}

/** A row of `get_result_target`. */
interface ResultTarget {
  bucket: string;
  path: string;
  is_wanted: boolean;
}

/** Claims up to `limit` tasks that are due for a look, of one generation or of all, and settles them. */
export async function checkDue(
  provider: Provider,
  limit: number,
  generationId: string | null = null,
): Promise<number> {
  const tasks = await rpc<Task[]>("claim_checks", {
    p_limit: limit,
    p_generation_id: generationId,
  });
  await Promise.all(tasks.map((task) => settle(provider, task)));
  return tasks.length;
}

/**
 * Asks the provider how a task is doing and acts on that alone: whoever told us to look (callback,
 * poll, sweep) was only a hint. Safe to run any number of times, at once, and to be killed anywhere.
 */
export async function settle(
  provider: Provider,
  task: Task,
  isOurs: (state: TaskState & { kind: "success" }) => boolean = () => true,
): Promise<void> {
  const state = await provider.look(task.api_key, task.task_id);
  switch (state.kind) {
    case "running":
      return;
    case "unavailable":
      log("warn", "provider_unavailable", {
        generation_id: task.generation_id,
        detail: state.detail,
      });
      return;
    case "unknown":
      if (task.seconds_since_submission > UNKNOWN_GRACE_SECONDS) {
        await releaseAttempt(
          task,
          "UNKNOWN_TASK",
          "the provider does not know the task",
        );
      }
      return;
    case "fail":
      return await fail(task, state);
    case "success":
      if (isOurs(state)) await complete(provider, task, state);
  }
}

async function fail(
  task: Task,
  state: TaskState & { kind: "fail" },
): Promise<void> {
  log("warn", "task_failed", {
    generation_id: task.generation_id,
    code: state.code,
    detail: state.detail,
  });
  if (state.canRetry && task.attempt < MAX_TRIES) {
    return await releaseAttempt(task, state.code, state.detail);
  }
  await failAttempt(task, state);
}

async function complete(
  provider: Provider,
  task: Task,
  state: TaskState & { kind: "success" },
): Promise<void> {
  const [target] = await rpc<ResultTarget[]>("get_result_target", {
    p_attempt_id: task.attempt_id,
  });
  if (target === undefined) return; // Finished by somebody else.
  const stored = target.is_wanted ? await copy(provider, task, state, target) : null;
  if (target.is_wanted && stored === null) return;

  await rpc("complete_generation", {
    p_attempt_id: task.attempt_id,
    p_task_id: task.task_id,
    p_bucket: target.bucket,
    p_image_url: publicObjectUrl(target.bucket, target.path),
    p_latency_ms: state.latencyMs,
    p_cost_credits: state.cost,
    p_bytes: stored?.bytes ?? null,
    p_crc32: stored?.crc32 ?? null,
  });
}

/** Streams the picture from the provider to storage: what was stored, or null when it did not get there. */
async function copy(
  provider: Provider,
  task: Task,
  state: TaskState & { kind: "success" },
  target: ResultTarget,
): Promise<Fingerprint | null> {
  try {
    const picture = await provider.download(task.api_key, state.urls);
    const { through, fingerprint } = createFingerprint();
    // Two finishers write the same object with the same bytes.
    await store(target.bucket, target.path, picture.body.pipeThrough(through), {
      contentType: picture.contentType,
      upsert: true,
      cacheSeconds: CACHE_SECONDS,
    });
    return fingerprint;
  } catch (error) {
    log("warn", "picture_not_copied", {
      generation_id: task.generation_id,
      error: describeError(error),
    });
    // Storage that is away comes back: the next look copies again. A dead link does not.
    if (!(error instanceof ApiError)) {
      const detail = describeError(error);
      await fail(task, {
        kind: "fail",
        code: "NO_PICTURE",
        detail,
        canRetry: true,
        isContent: false,
      });
    }
    return null;
  }
}
