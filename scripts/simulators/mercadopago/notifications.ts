import { setTimeout as sleep } from "node:timers/promises";
import { isLoopback } from "../kie/callbacks.ts";
import type { Faults } from "./faults.ts";
import { type Letter, type Message, messagesOf, writeLetter } from "./messages.ts";
import type { Payment } from "./payments.ts";
import type { Settings } from "./settings.ts";
import type { State } from "./state.ts";

const QUARTER_MS = 15 * 60_000;
const BODY_LIMIT = 10_000;
const ELSEWHERE = "the receiver is not on this machine: a simulator calls nobody else";

/** What became of one try to notify. */
export interface Delivery extends Omit<Message, "habits" | "notification_url"> {
  at: string;
  url: string;
  /** How many tries came before. */
  retry: number;
  /** What the receiver answered; null when it did not. */
  status: number | null;
  /** Why there was no answer. */
  error: string | null;
  ms: number;
}

/** Tells the receiver of a preference what happens to its payments, with every bad habit that is switched on. */
export class Notifications {
  #held: Message[] = [];

  /**
   * @param secret signs webhooks; without one they carry no signature.
   * @param stop ends waiting and sending when the simulator closes.
   */
  constructor(
    readonly state: State,
    readonly faults: Faults,
    readonly secret: string | undefined,
    readonly stop: AbortSignal,
  ) {}

  /** Sends the messages of an event, soon: who caused the event does not wait. */
  announce(payment: Payment, action: "payment.created" | "payment.updated"): void {
    const { webhooks } = this.faults.settings;
    if (webhooks.off) return;
    const messages = messagesOf(payment, action, webhooks, () => this.state.nextId());
    this.#background(async () => {
      await sleep(webhooks.delay_ms, undefined, { signal: this.stop });
      // As it holds by now: what is held once reordering ended would never leave.
      const { reorder } = this.faults.settings.webhooks;
      if (reorder === 0) return await this.#sendAll(messages, webhooks);
      this.#held.push(...messages);
      if (this.#held.length >= reorder) await this.#sendAll(this.#takeHeld(), webhooks);
    });
  }

  /** Sends what was held to be reordered: nothing more may come to complete it. */
  release(): void {
    const { webhooks } = this.faults.settings;
    this.#background(() => this.#sendAll(this.#takeHeld(), webhooks));
  }

  /** Sends a message once, now; the answer with its body. */
  async sendOnce(message: Message): Promise<{ delivery: Delivery; body: string }> {
    const { deadline_ms } = this.faults.settings.webhooks;
    return await this.#post(message, writeLetter(message, this.secret), 0, deadline_ms);
  }

  #takeHeld(): Message[] {
    return this.#held.splice(0).reverse();
  }

  // One after the other, so that their order is known; only copies race.
  async #sendAll(messages: Message[], webhooks: Settings["webhooks"]): Promise<void> {
    for (const message of messages) {
      const letter = writeLetter(message, this.secret);
      const copies = Array.from({ length: webhooks.copies }, async () => {
        const { delivery } = await this.#post(message, letter, 0, webhooks.deadline_ms);
        if (!isAnswered(delivery)) {
          this.#background(() => this.#resend(message, letter, webhooks));
        }
      });
      await Promise.all(copies);
    }
  }

  // A resend is the same letter, signature and all.
  async #resend(message: Message, letter: Letter, webhooks: Settings["webhooks"]): Promise<void> {
    for (let retry = 1; retry < webhooks.tries; retry += 1) {
      const pause = resendPause(retry) * webhooks.resend_scale;
      await sleep(pause, undefined, { signal: this.stop });
      const { delivery } = await this.#post(message, letter, retry, webhooks.deadline_ms);
      if (isAnswered(delivery)) return;
    }
  }

  async #post(message: Message, letter: Letter, retry: number, deadlineMs: number) {
    const { habits: _habits, notification_url: _url, ...told } = message;
    const start = performance.now();
    const { status, error, body } = await this.#send(letter, retry, deadlineMs);
    const delivery: Delivery = {
      ...told,
      at: new Date().toISOString(),
      url: letter.url,
      retry,
      status,
      error,
      ms: Math.round(performance.now() - start),
    };
    this.state.remember(delivery);
    return { delivery, body };
  }

  async #send(letter: Letter, retry: number, deadlineMs: number) {
    if (!isLoopback(letter.url)) return { status: null, error: ELSEWHERE, body: "" };
    try {
      const response = await fetch(letter.url, {
        method: "POST",
        headers: [...letter.headers, ["x-retry", String(retry)]],
        body: letter.body,
        redirect: "manual",
        signal: AbortSignal.any([this.stop, AbortSignal.timeout(deadlineMs)]),
      });
      const body = (await response.text()).slice(0, BODY_LIMIT);
      return { status: response.status, error: null, body };
    } catch (cause) {
      if (this.stop.aborted) throw cause;
      const error = cause instanceof Error ? cause.message : String(cause);
      return { status: null, error, body: "" };
    }
  }

  #background(action: () => Promise<void>): void {
    action().catch((cause) => {
      if (!this.stop.aborted) console.error("simulators: mercadopago: notification:", cause);
    });
  }
}

/** The wait before a resend: every 15 minutes, and after the third try ever longer. */
export function resendPause(retry: number): number {
  return QUARTER_MS * 2 ** Math.max(0, retry - 2);
}

function isAnswered({ status }: Delivery): boolean {
  return status === 200 || status === 201;
}
