/**
 * The small world in which random commands are given, the same in the model and in the database.
 * Everybody and everything in it is named by its place.
 */

/** People; the first one referred the others. */
export const USERS = 3;

export const PARTNERS = 2;

/** Whose each event is: two of one partner, one of another, one of the master's own. */
export const EVENT_PARTNERS: (number | null)[] = [0, 0, 1, null];

/** An account that staff can grant to, and that can owe. */
export interface Holder {
  account: "user" | "partner";
  index: number;
}

/** Whom each order credits, and with how much. */
export const ORDERS: { buyer: Holder; credits: number }[] = [
  { buyer: { account: "user", index: 0 }, credits: 200 },
  { buyer: { account: "user", index: 1 }, credits: 120 },
  { buyer: { account: "user", index: 1 }, credits: 150 },
  { buyer: { account: "user", index: 2 }, credits: 100 },
  { buyer: { account: "partner", index: 0 }, credits: 180 },
  { buyer: { account: "partner", index: 1 }, credits: 90 },
];

/** Payments that the gateway may tell of, each for any order. */
export const PAYMENTS = 4;

/** Credits that a user pays for a photo of each style. */
export const STYLE_COSTS = [100, 250];

/** The style that a user must have unlocked. */
export const PREMIUM_STYLE = 1;

/** As in private.settings. */
export const SIGNUP_BONUS = 500;
export const REFERRAL_REWARD = 100;
export const UNLOCK_PRICE = 3000;

/** What a command came to: what it returned (a row by its number), or a refusal with its figures. */
export type Outcome =
  | { result: number | boolean | null }
  | { code: string; balance?: number; needed?: number; debt?: number };
