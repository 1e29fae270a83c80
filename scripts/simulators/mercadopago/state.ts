import type { Delivery } from "./notifications.ts";
import type { Payment } from "./payments.ts";
import type { Preference } from "./preferences.ts";

/** The account behind the access token, its application and its country, whose currency is charged. */
export const COLLECTOR_ID = 1_055_501_234;
export const CLIENT_ID = "6204118850743926";
export const SITE = "MLA";
export const CURRENCY = "ARS";

// Ids have 12 digits until 2052.
const EPOCH = 1_600_000_000_000;
const DELIVERY_LIMIT = 1_000;

/** All that the gateway remembers, in memory: gone with the process. */
export class State {
  readonly preferences = new Map<string, Preference>();
  readonly payments = new Map<number, Payment>();
  /** Newest first. */
  readonly deliveries: Delivery[] = [];
  #lastId = 0;

  /** A number of 12 digits, from the clock: a ledger that outlives this process meets no id twice. */
  nextId(): number {
    this.#lastId = Math.max(this.#lastId + 1, Date.now() - EPOCH);
    return this.#lastId;
  }

  /** Keeps what became of a notification, as long as newer ones leave it room. */
  remember(delivery: Delivery): void {
    this.deliveries.unshift(delivery);
    this.deliveries.length = Math.min(this.deliveries.length, DELIVERY_LIMIT);
  }
}
