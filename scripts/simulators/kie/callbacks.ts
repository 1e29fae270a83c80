import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { callbackBody, type Claim } from "./records.ts";
import { type Delivery, resultUrl, type Task } from "./tasks.ts";

// For these models the vendor documents neither; sibling products: 15 s to answer, silence after 3 failed retries.
const DEADLINE_MS = 15_000;
const RETRY_AFTER_MS = [2_000, 10_000, 30_000];
// Far outside of any tolerance a receiver may have.
const STALE_SECONDS = 3_600;

/** Tells the caller's server that a task ended, in time or with every bad habit that is switched on. */
export class Callbacks {
  /**
   * @param key the webhook key of the console; without one, callbacks carry no signature, as with the provider.
   * @param stop ends waiting and sending when the simulator closes.
   */
  constructor(readonly key: string | undefined, readonly stop: AbortSignal) {}

  /** Sends what the task's settings want. Resolves when each message was tried once; retries go on by themselves. */
  async announce(task: Task): Promise<void> {
    const plan = task.callbacks;
    if (task.callback_url === null || plan.when === "never") return;
    if (plan.when === "late") await this.#wait(task, plan.late_ms);
    const success = plan.when === "before_finish" || task.state === "success";
    if (plan.forged) await this.#forge(task);
    const claim: Claim = { success, url: resultUrl(task) };
    const headers = this.#headers(task);
    const body = callbackBody(task, claim);
    for (let copy = 0; copy < plan.copies; copy += 1) {
      await this.#deliver(task, copy === 0 ? "genuine" : "copy", headers, body);
    }
    if (plan.altered_replay) {
      const altered = callbackBody(task, { success: !success, url: foreignUrl(task) });
      await this.#post(task, "altered", headers, altered);
    }
  }

  async #deliver(
    task: Task,
    kind: Delivery["kind"],
    headers: Headers,
    body: unknown,
  ): Promise<void> {
    if (await this.#post(task, kind, headers, body)) return;
    const retry = async () => {
      for (const pause of RETRY_AFTER_MS) {
        await this.#wait(task, pause);
        if (await this.#post(task, kind, headers, body)) return;
      }
    };
    retry().catch((cause) => {
      if (!this.stop.aborted) throw cause;
    });
  }

  async #forge(task: Task): Promise<void> {
    const headers = sign(task.id, now(), this.key === undefined ? undefined : "not the key");
    await this.#post(
      task,
      "forged",
      headers,
      callbackBody(task, { success: true, url: foreignUrl(task) }),
    );
  }

  async #post(
    task: Task,
    kind: Delivery["kind"],
    headers: Headers,
    body: unknown,
  ): Promise<boolean> {
    const outcome = await this.#send(task.callback_url ?? "", headers, body);
    const delivered = typeof outcome === "number" && outcome >= 200 && outcome < 300;
    if (delivered) task.account.callbacks_sent += 1;
    else task.account.callbacks_failed += 1;
    task.deliveries.push({ at: new Date().toISOString(), kind, outcome });
    return delivered;
  }

  async #send(url: string, headers: Headers, body: unknown): Promise<number | string> {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: [...headers, ["content-type", "application/json"]],
        body: JSON.stringify(body),
        redirect: "manual",
        signal: AbortSignal.any([this.stop, AbortSignal.timeout(DEADLINE_MS)]),
      });
      await response.body?.cancel();
      return response.status;
    } catch (cause) {
      if (this.stop.aborted) throw cause;
      return cause instanceof Error ? cause.message : String(cause);
    }
  }

  #headers(task: Task): Headers {
    const signature = task.callbacks.signature;
    const timestamp = signature === "stale" ? now() - STALE_SECONDS : now();
    const keys = { valid: this.key, stale: this.key, none: undefined, wrong_key: "not the key" };
    return sign(task.id, timestamp, keys[signature]);
  }

  #wait(task: Task, providerMs: number): Promise<void> {
    return sleep(providerMs * task.account.faults.scale, undefined, { signal: this.stop });
  }
}

/**
 * The signature headers of a callback, none without a key.
 *
 * docs.kie.ai/common-api/webhook-verification: base64 of HMAC-SHA256 over `taskId.timestamp`. The body is not covered.
 */
export function sign(taskId: string, timestamp: number, key: string | undefined): Headers {
  if (key === undefined) return new Headers();
  const signature = createHmac("sha256", key).update(`${taskId}.${timestamp}`).digest("base64");
  return new Headers({
    "x-webhook-timestamp": String(timestamp),
    "x-webhook-signature": signature,
  });
}

/** Callbacks leave for this machine only: a simulator must not be a way to post to strangers. */
export function isLoopback(url: string): boolean {
  const address = URL.parse(url);
  if (address === null || !/^https?:$/.test(address.protocol)) return false;
  return address.hostname === "localhost" || address.hostname === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(address.hostname);
}

// A picture that is really there: a receiver that believes the body delivers it.
function foreignUrl(task: Task): string {
  return `${task.file_base}/forged.png`;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
