import { crashPoint } from "../_shared/crash_point.ts";
import { rpc } from "../_shared/database.ts";
import { createFingerprint, type Fingerprint } from "../_shared/fingerprint.ts";
import { describeError, log, timed } from "../_shared/log.ts";
import { publicObjectUrl, store } from "../_shared/storage.ts";
import type { Picture, Provider, TaskState } from "./provider/provider.ts";
import { wake } from "./waiters.ts";

/** Tasks of one account that `claim_checks` hands out together. */
const ACCOUNT_CHECKS = 3;
/** Seconds for which the provider may not know a task that it has just made. */
const UNKNOWN_GRACE_SECONDS = 30;
/** How long caches may keep a picture that can be hidden at any moment. */
const CACHE_SECONDS = 60;

/** A task at the provider and the attempt that it belongs to. */
export interface Task {
  attempt_id: number;
  generation_id: string;
  task_id: string;
  api_key: string;
  attempt: number;
  seconds_since_submission: number;
}

type Success = TaskState & { kind: "success" };

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
  await Promise.all(
    tasks.map((task) =>
      settle(provider, task).catch((error) =>
        log("error", "task_not_settled", {
          generation_id: task.generation_id,
          error: describeError(error),
        })
      )
    ),
  );
  return tasks.length;
}

/**
 * Goes on looking for at most `seconds`, once a second, while accounts may have more tasks that are due: at one time
 * `claim_checks` hands out only a few of each. Returns how many were looked at.
 */
export async function checkFor(
  provider: Provider,
  limit: number,
  seconds: number,
): Promise<number> {
  const deadline = Date.now() + seconds * 1000;
  let checked = 0;
  while (true) {
    const next = Date.now() + 1000;
    const found = await checkDue(provider, limit);
    checked += found;
    if (found < ACCOUNT_CHECKS || next > deadline) return checked;
    await new Promise((resolve) => setTimeout(resolve, Math.max(next - Date.now(), 0)));
  }
}

/**
 * Asks the provider how a task is doing and acts on that alone: whoever told us to look (callback,
 * poll, sweep) was only a hint. Safe to run any number of times, at once, and to be killed anywhere.
 *
 * `token` is given for a task that we first hear of by a callback: it is ours only if the provider's own
 * record of it carries the address, with this token, that we gave out for the attempt.
 */
export async function settle(provider: Provider, task: Task, token?: string): Promise<void> {
  const ids = { generation_id: task.generation_id, attempt: task.attempt };
  const look = provider.look(task.api_key, task.task_id);
  const state = await timed("look", look, { ...ids, outside: true });
  crashPoint("7-looked-up");
  if (token !== undefined) {
    if (!("request" in state) || !state.request.includes(token)) {
      return log("warn", "task_not_ours", ids);
    }
    await rpc("record_submission", { p_attempt_id: task.attempt_id, p_task_id: task.task_id });
  }
  switch (state.kind) {
    case "running":
      return;
    case "unavailable":
      return log("warn", "provider_unavailable", { ...ids, detail: state.detail });
    case "unknown":
      if (task.seconds_since_submission > UNKNOWN_GRACE_SECONDS) {
        await fail(task, { code: "UNKNOWN_TASK", detail: "the provider does not know the task" });
      }
      return;
    case "fail":
      return await fail(task, state);
    case "success":
      return await complete(provider, task, state);
  }
}

async function fail(
  task: Task,
  { code, detail, canRetry = true, isContent = false }: {
    code: string;
    detail: string;
    canRetry?: boolean;
    isContent?: boolean;
  },
): Promise<void> {
  const ids = { generation_id: task.generation_id, attempt: task.attempt };
  log("warn", "task_failed", { ...ids, code, detail });
  await rpc("fail_attempt", {
    p_attempt_id: task.attempt_id,
    p_error_code: isContent ? "GENERATION_REFUSED" : "GENERATION_FAILED",
    p_detail: `${code}: ${detail}`,
    p_can_retry: canRetry,
  });
  wake(task.generation_id);
}

async function complete(provider: Provider, task: Task, state: Success): Promise<void> {
  const ids = { generation_id: task.generation_id, attempt: task.attempt };
  const [target] = await timed(
    "target",
    rpc<ResultTarget[]>("get_result_target", {
      p_attempt_id: task.attempt_id,
      p_task_id: task.task_id,
    }),
    ids,
  );
  if (target === undefined) return; // Finished by somebody else, or about to be.
  const copying = target.is_wanted ? copy(provider, task, state, target) : Promise.resolve(null);
  const stored = await timed("copy", copying, { ...ids, outside: true });
  if (target.is_wanted && stored === null) return;
  crashPoint("9-copied");
  await timed(
    "complete",
    rpc("complete_generation", {
      p_attempt_id: task.attempt_id,
      p_task_id: task.task_id,
      p_bucket: target.bucket,
      p_image_url: publicObjectUrl(target.bucket, target.path),
      p_latency_ms: state.latencyMs,
      p_cost_credits: state.cost,
      p_bytes: stored?.bytes ?? null,
      p_crc32: stored?.crc32 ?? null,
    }),
    ids,
  );
  crashPoint("10-completed");
  wake(task.generation_id);
}

/** Streams the picture from the provider to storage: what was stored, or null when it did not get there. */
async function copy(
  provider: Provider,
  task: Task,
  state: Success,
  target: ResultTarget,
): Promise<Fingerprint | null> {
  const { generation_id } = task;
  let picture: Picture | undefined;
  try {
    picture = await provider.download(task.api_key, state.urls);
    const { through, fingerprint } = createFingerprint();
    // Two finishers of one task write the same object with the same bytes.
    await store(target.bucket, target.path, picture.body.pipeThrough(through), {
      contentType: picture.contentType,
      upsert: true,
      cacheSeconds: CACHE_SECONDS,
    });
    return fingerprint;
  } catch (error) {
    // A dead link stays dead. Storage that is away comes back, and the next look copies again.
    const cause = picture === undefined ? error : picture.failure();
    if (cause === undefined) {
      log("warn", "picture_not_stored", { generation_id, error: describeError(error) });
    } else {
      await fail(task, { code: "NO_PICTURE", detail: describeError(cause) });
    }
    return null;
  }
}
