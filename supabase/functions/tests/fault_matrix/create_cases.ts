// createTask is refused, answered with no envelope, late or not at all; with and without a task.
import { CODES, type FaultCase, gaveUp, type KeyHealth, product, SUCCEEDS } from "./fault_case.ts";

/** Codes that another request cannot help against. */
const FATAL = [400, 404, 422, 505];

function keyAfter(code: number): KeyHealth {
  if ([401, 402, 433].includes(code)) return "suspended";
  return [429, 455].includes(code) ? "cooling" : "ready";
}

/** What an answer with this code and no task means. */
function refusal(name: string, code: number, faults: Record<string, unknown>): FaultCase {
  return FATAL.includes(code)
    ? { name, faults, ...gaveUp("GENERATION_FAILED", 0) }
    : { name, faults, ...SUCCEEDS, key: keyAfter(code) };
}

/** One account plays it; others are well. */
export const create: FaultCase[] = [
  ...CODES.map((code) => refusal(`createTask: ${code}`, code, { create: { kind: "code", code } })),
  ...CODES.map((code) => ({
    name: `createTask: ${code}, and a task`,
    faults: { create: { kind: "code", code, accepted: true } },
    ...SUCCEEDS,
  })),
  ...product(["html502", "drop"], [false, true], (kind, accepted) => ({
    name: `createTask: ${kind}${accepted ? ", and a task" : ""}`,
    faults: { create: { kind, accepted } },
    ...SUCCEEDS,
  })),
  { name: "createTask: slow", faults: { create: { kind: "slow", ms: 300 } }, ...SUCCEEDS },
  {
    name: "createTask: answered after the claim was given up",
    faults: { create: { kind: "slow", ms: 5_000 } },
    ...SUCCEEDS,
    tasks: 2,
  },
  refusal("an account that is disabled", 401, { disabled: true }),
  refusal("an account without balance", 402, { balance: 0 }),
  refusal("an account without room", 429, { limits: { creates: 0 } }),
  refusal("createTask: 500 of an empty account", 402, {
    create: { kind: "code", code: 500, msg: "Credits insufficient" },
  }),
  refusal("createTask: 500 for a missing field", 422, {
    create: { kind: "code", code: 500, msg: "prompt is required" },
  }),
  {
    name: "createTask: 400 for what the photo shows",
    faults: { create: { kind: "code", code: 400, msg: "content policy violation" } },
    ...gaveUp("GENERATION_REFUSED", 0),
  },
];

/** Every account plays it, until it is too late to try. */
export const neverCreated: FaultCase[] = [
  ...CODES.filter((code) => !FATAL.includes(code)).map((code) => ({
    name: `createTask, always: ${code}`,
    faults: { create: { kind: "code", code } },
    key: keyAfter(code),
  })),
  ...["html502", "drop"].map((kind) => ({
    name: `createTask, always: ${kind}`,
    faults: { create: { kind } },
    key: "ready" as const,
  })),
].map(({ name, faults, key }) => ({ name, faults, ...gaveUp("PROVIDER_UNAVAILABLE", 0), key }));

/** Only its callback can tell of a task whose creation was not answered. */
export const lostAnswers: FaultCase[] = product(
  ["html502", "drop"],
  ["normal", "late", "never", "before_answer", "before_finish"],
  (kind, when) => ({
    name: `createTask: ${kind}, and a task whose callback is ${when}`,
    // Late: after the claim was given up.
    faults: { create: { kind, accepted: true }, callbacks: { when, late_ms: 7_000 } },
    ...SUCCEEDS,
    tasks: when === "late" || when === "never" ? 2 : 1,
  }),
);
