// A look at a task is answered wrongly, or rightly with bad news.
import { CODES, type FaultCase, gaveUp, product, SUCCEEDS } from "./fault_case.ts";

/** Codes of tasks that another task cannot help against. */
const FATAL = [400, 401, 402, 404, 422, 433, 505];
/** Nobody is told that a task is over. */
const SILENT = { callbacks: { when: "never" } };
const NO_RESULTS = ["malformed", "empty", "null", "absent"];

/** One look goes wrong, or what all of them show is odd. */
export const look: FaultCase[] = [
  ...product(CODES, [false, true], (code, accepted) => ({
    name: `recordInfo: ${code}${accepted ? ", with the record" : ""}`,
    faults: { ...SILENT, record_faults: { kind: "code", code, accepted, next: 1 } },
    ...SUCCEEDS,
  })),
  ...["html502", "drop"].map((kind) => ({
    name: `recordInfo: ${kind}`,
    faults: { ...SILENT, record_faults: { kind, next: 1 } },
    ...SUCCEEDS,
  })),
  ...["422", "404"].map((unknown_as) => ({
    name: `recordInfo: ${unknown_as} while the task is new`,
    faults: { ...SILENT, record: { unknown_ms: 600, unknown_as } },
    ...SUCCEEDS,
  })),
  ...["string", "object"].map((result_json) => ({
    name: `recordInfo: resultJson is ${result_json}`,
    faults: { ...SILENT, record: { result_json } },
    ...SUCCEEDS,
  })),
  ...NO_RESULTS.map((result_json) => ({
    name: `recordInfo: resultJson is ${result_json}`,
    faults: { ...SILENT, record: { result_json } },
    ...SUCCEEDS,
    tasks: 2,
  })),
  ...[
    { name: "slow", faults: { record_faults: { kind: "slow", ms: 500 } } },
    { name: "states are skipped", faults: { record: { skip_states: true } } },
    { name: "asked too often", faults: { limits: { queries: 1, queries_window_ms: 500 } } },
  ].map(({ name, faults }) => ({
    name: `recordInfo: ${name}`,
    faults: { ...SILENT, ...faults },
    ...SUCCEEDS,
  })),
];

/** No look is answered, so the time is up. The picture comes for free once they are. */
export const neverLookedAt: FaultCase[] = [
  ...CODES.map((code) => ({ name: code, fault: { kind: "code", code } })),
  ...["html502", "drop"].map((kind) => ({ name: kind, fault: { kind } })),
].map(({ name, fault }) => ({
  name: `recordInfo, always: ${name}`,
  faults: { record_faults: fault },
  ...gaveUp("GENERATION_TIMED_OUT", 1),
}));

/** The provider has forgotten the task. */
export const forgotten: FaultCase[] = ["422", "404"].map((unknown_as) => ({
  name: `recordInfo: ${unknown_as} long after the task was made`,
  faults: { ...SILENT, record: { unknown_ms: 3_600_000, unknown_as } },
  ...SUCCEEDS,
  tasks: 2,
}));

/** The task fails, and a second one would not. */
export const failure: FaultCase[] = [
  ...CODES.map((code) => ({
    name: `a task fails with ${code}`,
    faults: { fail: { fail_code: String(code) } },
    ...FATAL.includes(code) ? gaveUp("GENERATION_FAILED", 1) : { ...SUCCEEDS, tasks: 2 },
  })),
  {
    name: "a task fails for what the photo shows",
    faults: { fail: { fail_code: "501", fail_msg: "flagged by moderation" } },
    ...gaveUp("GENERATION_REFUSED", 1),
  },
];

/** Neither task brings a picture. */
export const failureTwice: FaultCase[] = [
  ...CODES.filter((code) => !FATAL.includes(code)).map((code) => ({
    name: `every task fails with ${code}`,
    faults: { fail: { fail_code: String(code) } },
  })),
  ...NO_RESULTS.map((result_json) => ({
    name: `every task succeeds, but resultJson is ${result_json}`,
    faults: { record: { result_json } },
  })),
  { name: "every link leads to a page", faults: { results: { body: "html" } } },
  { name: "every task succeeds without a link", faults: { results: { no_urls: true } } },
].map((each) => ({ ...each, ...gaveUp("GENERATION_FAILED", 2) }));
