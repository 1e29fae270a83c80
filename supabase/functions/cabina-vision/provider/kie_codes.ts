import type { Advice } from "./provider.ts";

/**
 * What to do about each code of createTask, when the answer has no task id: the envelope then says that
 * nothing was created. Codes from the provider's page of error codes; what helps is our experience of
 * them.
 */
const advice: Record<number, Omit<Advice, "isContent">> = {
  400: { then: "fail", key: "keep" }, // bad request
  401: { then: "retry", key: "suspend" }, // key missing or wrong: another key may do
  402: { then: "retry", key: "suspend_account" }, // account without credits
  404: { then: "fail", key: "keep" },
  408: { then: "retry", key: "keep" }, // upstream stuck
  422: { then: "fail", key: "keep" }, // validation, unknown model
  429: { then: "retry", key: "cool_down" }, // too fast: dropped, not queued
  433: { then: "retry", key: "suspend" }, // the key's own spending cap
  455: { then: "retry", key: "cool_down" }, // maintenance
  500: { then: "retry", key: "keep" },
  501: { then: "retry", key: "keep" },
  505: { then: "fail", key: "keep" }, // feature disabled
};

/** What helps after a refusal of createTask. Unknown codes are tried again: a deadline ends that. */
export function adviceFor(code: number, message: string): Advice {
  if (isContentRefusal(String(code), message)) {
    return { then: "fail", key: "keep", isContent: true };
  }
  // 500 is also used for missing inputs and once for an empty account: the text tells.
  if (code === 500 && /credits? insufficient|insufficient credits?/i.test(message)) {
    return { ...advice[402]!, isContent: false };
  }
  if (code === 500 && /is required/i.test(message)) return { ...advice[422]!, isContent: false };
  return { ...(advice[code] ?? { then: "retry", key: "keep" }), isContent: false };
}

/** Whether the provider objected to what the photo or prompt shows. */
export function isContentRefusal(code: string, message: string): boolean {
  return /moderat|nsfw|sensitive|polic(y|ies)|prohibited|safety|inappropriate|violat/i.test(
    `${code} ${message}`,
  );
}

/** Whether a task that failed with this `failCode` deserves one more task. */
export function canRetryTask(failCode: string): boolean {
  return !/^(400|401|402|404|422|433|505)$/.test(failCode);
}
