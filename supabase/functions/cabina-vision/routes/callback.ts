import { z } from "zod";
import { crashPoint } from "../../_shared/crash_point.ts";
import { rpc } from "../../_shared/database.ts";
import { optionalEnv } from "../../_shared/env.ts";
import { ApiError } from "../../_shared/errors.ts";
import { hmac, isEqual } from "../../_shared/hmac.ts";
import { inBackground } from "../../_shared/http.ts";
import { route } from "../../_shared/route.ts";
import { getProvider } from "../config.ts";
import { dispatchQueued } from "../dispatch.ts";
import { runFileTasks } from "../files.ts";
import { settle, type Task } from "../finish.ts";
import { callbackQuery } from "../schemas.ts";

/** A row of `find_attempt`. */
interface Attempt {
  attempt_id: number;
  task_id: string | null;
  api_key: string | null;
  is_finished: boolean;
}

/** Signed timestamps may be this old or early. */
const TOLERANCE_SECONDS = 300;
/** Enough for the photo and its neighbours; the sweeper does the rest. */
const FILE_TASKS = 5;
const DISPATCH_LIMIT = 2;

const message = z.looseObject({
  taskId: z.string().optional(),
  task_id: z.string().optional(),
  data: z.looseObject({ taskId: z.string().optional(), task_id: z.string().optional() }).nullish(),
});

/**
 * Only a hint: after token and signature, the provider itself is asked. Answered at once, since the
 * provider waits 15 seconds; if the work behind it dies, polls and the sweeper do it.
 */
export const receiveCallback = route({
  method: "post",
  path: "/callback",
  credential: "anyone",
  summary: "The provider says that a task is over.",
  description:
    "The address carries the token that was given out with the task; nothing in the body " +
    "is believed but which task it is about.",
  query: z.looseObject({
    generation: z.string().optional(),
    attempt: z.string().optional(),
    token: z.string().optional(),
  }),
  body: z.looseObject({}),
  maxBodyBytes: 256 * 1024,
  answer: z.object({ received: z.literal(true) }),
  errors: ["UNAUTHENTICATED"],
  async handle({ c, query: address, body }) {
    const query = callbackQuery.safeParse(address);
    if (!query.success) throw new ApiError("UNAUTHENTICATED");
    const { generation, attempt: number, token } = query.data;
    const [attempt] = await rpc<Attempt[]>("find_attempt", {
      p_generation_id: generation,
      p_attempt: number,
      p_token: token,
    });
    if (attempt === undefined) throw new ApiError("UNAUTHENTICATED");

    const named = taskIds(body);
    const key = optionalEnv("KIE_WEBHOOK_KEY"); // absent when the provider signs no callbacks
    if (key !== undefined && !await isSigned(c.req.raw.headers, named, key)) {
      throw new ApiError("UNAUTHENTICATED");
    }

    const taskId = attempt.task_id ?? named[0];
    c.get("line").note({ generation_id: generation, attempt: number });
    crashPoint("6-callback-verified");
    // Duplicates, and messages about another task than the attempt's, change nothing.
    const isForeign = attempt.task_id !== null && named.some((id) => id !== attempt.task_id);
    if (attempt.is_finished || isForeign || taskId === undefined || attempt.api_key === null) {
      return { received: true as const };
    }

    const task = {
      attempt_id: attempt.attempt_id,
      generation_id: generation,
      task_id: taskId,
      api_key: attempt.api_key,
      attempt: number,
      seconds_since_submission: 0,
    };
    inBackground(finish(task, attempt.task_id === null ? token : undefined));
    return { received: true as const };
  },
});

/** Settles the task, and gives the room that it leaves to who waits. */
async function finish(task: Task, token?: string): Promise<void> {
  const provider = getProvider();
  await settle(provider, task, token);
  await Promise.all([
    dispatchQueued(provider, DISPATCH_LIMIT),
    runFileTasks(FILE_TASKS),
  ]);
}

/** The places where the provider's pages and samples put the task id. */
function taskIds(body: unknown): string[] {
  const { success, data } = message.safeParse(body);
  if (!success) return [];
  const ids = [data.data?.taskId, data.data?.task_id, data.taskId, data.task_id];
  return ids.filter((id) => id !== undefined);
}

/**
 * Verifies `x-webhook-signature`: standard Base64 of HMAC-SHA256(key, task id + "." + timestamp), the
 * timestamp being `x-webhook-timestamp` in Unix seconds. The body is not signed, so its task ids must
 * agree and nothing else in it is believed.
 */
export async function isSigned(
  headers: Headers,
  ids: string[],
  key: string,
  now = Date.now(),
): Promise<boolean> {
  const timestamp = headers.get("x-webhook-timestamp") ?? "";
  const [id] = ids;
  if (id === undefined || ids.some((other) => other !== id)) return false;
  if (!(Math.abs(now / 1000 - Number(timestamp || NaN)) <= TOLERANCE_SECONDS)) {
    return false;
  }
  const code = await hmac(new TextEncoder().encode(key), `${id}.${timestamp}`);
  return isEqual(
    headers.get("x-webhook-signature") ?? "",
    btoa(String.fromCharCode(...code)),
  );
}
