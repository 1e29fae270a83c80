import { create, lostAnswers, neverCreated } from "./create_cases.ts";
import type { Batch } from "./fault_case.ts";
import { callbacks, download } from "./result_cases.ts";
import { failure, failureTwice, forgotten, look, neverLookedAt } from "./task_cases.ts";

/** The matrix: every fault of the provider's simulator, at every step that it can strike. */
export const batches: Batch[] = [
  { name: "createTask goes wrong once", cases: create, losesAnswers: true },
  {
    name: "createTask goes wrong once, by HTTP status, while guests poll",
    cases: create,
    losesAnswers: true,
    httpStatus: "real",
    lookedAfterBy: "guests",
  },
  {
    name: "createTask never works",
    cases: neverCreated,
    losesAnswers: true,
    isEverywhere: true,
    shortened: "dispatch",
  },
  { name: "the answer to createTask is lost", cases: lostAnswers, losesAnswers: true },
  { name: "recordInfo goes wrong once", cases: look },
  {
    name: "recordInfo goes wrong once, by HTTP status, while guests poll",
    cases: look,
    httpStatus: "real",
    lookedAfterBy: "guests",
  },
  { name: "recordInfo never works", cases: neverLookedAt, shortened: "delivery" },
  { name: "a task is forgotten", cases: forgotten, isLongSubmitted: true },
  { name: "a task fails", cases: failure },
  { name: "every task fails", cases: failureTwice, isEverywhere: true, lookedAfterBy: "guests" },
  { name: "callbacks with every bad habit", cases: callbacks },
  { name: "downloads go wrong once", cases: download },
];
