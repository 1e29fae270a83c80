import { resultUrl, type Task } from "./tasks.ts";

/**
 * A task in the shape of recordInfo's `data`: docs.kie.ai/market/common/get-task-detail, with the habits that clients
 * report (the request as JSON whose `input` is JSON again; `resultJson` in every form that was met).
 */
export function recordOf(task: Task): Record<string, unknown> {
  const running = task.completed_at === null;
  const { result_json } = task.record;
  const record = {
    taskId: task.id,
    model: task.job.model,
    state: task.state,
    param: JSON.stringify({ ...task.request, input: JSON.stringify(task.request.input) }),
    resultJson: resultJson(task),
    failCode: task.fail_code,
    failMsg: task.fail_msg,
    costTime: running ? null : (task.completed_at ?? 0) - task.created_at,
    completeTime: task.completed_at,
    createTime: task.created_at,
    updateTime: task.updated_at,
    creditsConsumed: task.state === "fail" ? 0 : task.job.price,
  };
  if (result_json !== "absent") return record;
  const { resultJson: _left_out, ...rest } = record;
  return rest;
}

function resultJson(task: Task): unknown {
  const form = task.record.result_json;
  if (task.state !== "success") return form === "null" ? null : "";
  const result = { resultUrls: task.results.no_urls ? [] : [resultUrl(task)] };
  const forms = {
    string: JSON.stringify(result),
    object: result,
    malformed: JSON.stringify(result).slice(0, -3),
    empty: "",
    null: null,
    absent: undefined,
  };
  return forms[form];
}

/** What a callback claims; a forged one differs from the task. */
export interface Claim {
  success: boolean;
  url: string;
}

/** The body of a callback in one of the documented shapes; `costTime` is in seconds here, unlike in recordInfo. */
export function callbackBody(task: Task, claim: Claim): Record<string, unknown> {
  const { success, url } = claim;
  const ended = task.completed_at ?? Date.now();
  const price = success ? task.job.price : 0;
  const head = success
    ? { code: 200, msg: "Playground task completed successfully." }
    : { code: 501, msg: "Playground task failed." };
  if (task.callbacks.shape === "signature_page") {
    return { ...head, taskId: task.id, data: { task_id: task.id, callbackType: "task_completed" } };
  }
  const data = {
    ...recordOf(task),
    state: success ? "success" : "fail",
    completeTime: ended,
    updateTime: ended,
    costTime: Math.max(1, Math.round((ended - task.created_at) / 1000)),
    resultJson: success ? JSON.stringify({ resultUrls: task.results.no_urls ? [] : [url] }) : null,
  };
  if (task.callbacks.shape === "market_2026") {
    return { ...head, data: { ...data, creditsConsumed: price } };
  }
  const { creditsConsumed: _newer_name, ...older } = data as Record<string, unknown>;
  return {
    ...head,
    data: { ...older, consumeCredits: price, remainedCredits: task.account.balance },
  };
}
