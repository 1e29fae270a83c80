import type { Account } from "./accounts.ts";
import type { Job } from "./models.ts";
import type { Layer } from "./settings.ts";

export type TaskState = "waiting" | "queuing" | "generating" | "success" | "fail";

/** One delivery of a callback, as /kie/_tasks shows it. */
export interface Delivery {
  at: string;
  kind: "genuine" | "copy" | "forged" | "altered";
  /** HTTP status, or what went wrong. */
  outcome: number | string;
}

/** One picture to make. */
export interface Task {
  id: string;
  account: Account;
  job: Job;
  /** The create request as it came. */
  request: Record<string, unknown>;
  callback_url: string | null;
  state: TaskState;
  /** Where results are served: the address under which the caller reached us. */
  file_base: string;
  result_file: string;
  fail_code: string;
  fail_msg: string;
  created_at: number;
  updated_at: number;
  completed_at: number | null;
  /** Faults drawn at creation, so that one task meets one fate. */
  failure: NonNullable<Layer["fail"]>[number] | undefined;
  callbacks: NonNullable<Layer["callbacks"]>;
  results: NonNullable<Layer["results"]>;
  record: NonNullable<Layer["record"]>;
  deliveries: Delivery[];
}

const LIMIT = 5_000;

/** The tasks since the process began; the oldest finished ones are forgotten beyond 5,000. */
export class Tasks {
  readonly #tasks = new Map<string, Task>();

  /** Makes a task for an accepted request; what fate it meets is drawn here. */
  create(
    from: Pick<Task, "account" | "job" | "request" | "callback_url" | "file_base">,
    now: number,
  ): Task {
    const { name, faults } = from.account;
    const task: Task = {
      ...from,
      id: crypto.randomUUID().replaceAll("-", ""),
      state: "waiting",
      result_file: `${crypto.randomUUID().replaceAll("-", "")}.${
        from.job.format === "png" ? "png" : "jpg"
      }`,
      fail_code: "",
      fail_msg: "",
      created_at: now,
      updated_at: now,
      completed_at: null,
      failure: faults.strike(name, "fail"),
      callbacks: faults.section(name, "callbacks"),
      results: faults.section(name, "results"),
      record: faults.section(name, "record"),
      deliveries: [],
    };
    this.#tasks.set(task.id, task);
    this.#forget();
    return task;
  }

  get(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  /** Newest first. */
  list(): Task[] {
    return [...this.#tasks.values()].reverse();
  }

  /** Takes a task one step further. */
  move(task: Task, state: TaskState, now: number): void {
    task.state = state;
    task.updated_at = now;
    if (state === "success" || state === "fail") task.completed_at = now;
  }

  #forget(): void {
    if (this.#tasks.size <= LIMIT) return;
    for (const [id, task] of this.#tasks) {
      if (task.completed_at !== null) return void this.#tasks.delete(id);
    }
  }
}

/** A task as /kie/_tasks shows it: what was asked for, where it stands, what was told to whom. */
export function describeTask(task: Task) {
  return {
    task_id: task.id,
    account: task.account.name,
    state: task.state,
    request: task.request,
    result_url: task.state === "success" ? resultUrl(task) : null,
    fail_code: task.fail_code || null,
    fail_msg: task.fail_msg || null,
    created_at: new Date(task.created_at).toISOString(),
    completed_at: task.completed_at === null ? null : new Date(task.completed_at).toISOString(),
    deliveries: task.deliveries,
  };
}

/** The address of the finished picture. */
export function resultUrl(task: Task): string {
  return `${task.file_base}/${task.result_file}`;
}
