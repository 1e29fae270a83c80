import { setTimeout as sleep } from "node:timers/promises";
import type { Callbacks } from "./callbacks.ts";
import type { Files } from "./files.ts";
import type { Job } from "./models.ts";
import { renderPicture, UnreadablePhoto } from "./pictures.ts";
import type { Task, Tasks } from "./tasks.ts";

// When a task leaves waiting and queuing, as parts of its latency.
const QUEUING_AT = 0.1;
const GENERATING_AT = 0.25;
const FETCH_DEADLINE_MS = 30_000;

/** Why a task failed, in the provider's words. */
class TaskFailure extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** Takes tasks from creation to their end. */
export class Runner {
  constructor(
    readonly tasks: Tasks,
    readonly files: Files,
    readonly callbacks: Callbacks,
    readonly stop: AbortSignal,
  ) {}

  /** Runs a task to its end and announces it; never rejects. A task that is cut off by the end of the process stays as it is. */
  async run(task: Task): Promise<void> {
    try {
      await this.#live(task);
      if (task.callbacks.when !== "before_finish") await this.callbacks.announce(task);
    } catch (cause) {
      if (!this.stop.aborted) console.error(`simulators: task ${task.id} broke:`, cause);
    }
  }

  async #live(task: Task): Promise<void> {
    const { account, callbacks, record } = task;
    const latency = callbacks.when === "before_answer"
      ? 0
      : account.faults.drawLatency(account.name) * account.faults.scale;
    const reach = (part: number) => {
      const left = task.created_at + latency * part - Date.now();
      return sleep(Math.max(0, left), undefined, { signal: this.stop });
    };
    await reach(QUEUING_AT);
    if (!record.skip_states) this.tasks.move(task, "queuing", Date.now());
    await reach(GENERATING_AT);
    if (!record.skip_states) this.tasks.move(task, "generating", Date.now());
    if (callbacks.when === "before_finish") {
      this.callbacks.announce(task).catch((cause) => {
        if (!this.stop.aborted) throw cause;
      });
    }
    const picture = await this.#make(task).catch((cause) => {
      if (this.stop.aborted) throw cause;
      return cause as unknown;
    });
    await reach(1);
    if (picture instanceof Uint8Array) await this.#succeed(task, picture);
    else this.#fail(task, picture);
  }

  async #make(task: Task): Promise<Uint8Array> {
    const { job, failure } = task;
    if (failure !== undefined) throw new TaskFailure(failure.fail_code, failure.fail_msg);
    const pictures = await Promise.all(job.images.map((url) => this.#fetchPicture(url, job)));
    try {
      return await renderPicture(pictures[0], job, task.account.faults.long_edge);
    } catch (cause) {
      if (!(cause instanceof UnreadablePhoto)) throw cause;
      throw new TaskFailure("422", "The input image could not be read: use JPEG, PNG or WebP");
    }
  }

  async #fetchPicture(url: string, job: Job): Promise<Uint8Array> {
    let bytes: Uint8Array;
    try {
      const signal = AbortSignal.any([this.stop, AbortSignal.timeout(FETCH_DEADLINE_MS)]);
      const response = await fetch(url, { signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      bytes = await response.bytes();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      // The address is signed: it stays out of messages, which end up in logs.
      throw new TaskFailure(
        "422",
        `The input image could not be fetched: ${reason.replaceAll(url, "its URL")}`,
      );
    }
    if (bytes.length > job.imageLimit) {
      throw new TaskFailure(
        "422",
        `The input image has ${bytes.length} bytes, the maximum is ${job.imageLimit}`,
      );
    }
    return bytes;
  }

  async #succeed(task: Task, picture: Uint8Array): Promise<void> {
    const { dies_after_ms, content_type, body, oversize_bytes, stall } = task.results;
    const { scale } = task.account.faults;
    await this.files.put(task.result_file, picture, `image/${task.job.format}`, {
      dies_at: dies_after_ms === undefined ? undefined : Date.now() + dies_after_ms * scale,
      content_type,
      body,
      oversize_bytes,
      stall,
    });
    task.account.settle(0);
    this.tasks.move(task, "success", Date.now());
  }

  #fail(task: Task, cause: unknown): void {
    if (!(cause instanceof TaskFailure)) console.error(`simulators: task ${task.id} broke:`, cause);
    task.fail_code = cause instanceof TaskFailure ? cause.code : "500";
    task.fail_msg = cause instanceof TaskFailure ? cause.message : "Internal Error";
    task.account.settle(task.job.price);
    this.tasks.move(task, "fail", Date.now());
  }
}
