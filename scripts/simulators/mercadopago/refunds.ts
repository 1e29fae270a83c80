import { z } from "zod";
import { stamp } from "./dates.ts";
import { ApiError } from "./errors.ts";
import { movePayment, type Payment, type Status } from "./payments.ts";
import type { Settings } from "./settings.ts";
import { COLLECTOR_ID } from "./state.ts";

const REFUNDABLE_MS = 180 * 86_400_000;
const Body = z.looseObject({ amount: z.unknown().optional() });

/** Money given back, or about to be. */
export interface Refund {
  id: number;
  payment_id: number;
  amount: number;
  status: "approved" | "in_process" | "rejected";
  source: { id: string; name: string; type: string };
  date_created: string;
  unique_sequence_number: null;
  refund_mode: "standard";
  adjustment_amount: number;
  reason: null;
  metadata: Record<string, unknown>;
}

/**
 * Gives back what a refund request asks for: all that is left without an amount. A part leaves the payment approved.
 *
 * @param body of the request; absent or empty for everything.
 * @throws ApiError with the documented code.
 */
export function refund(
  payment: Payment,
  body: unknown,
  id: number,
  settings: Settings["refunds"],
): Refund {
  const { view } = payment;
  const parsed = Body.safeParse(body ?? {});
  if (!parsed.success) throw new ApiError(400, "bad_request", "The body must be an object");
  const left = cents(view.transaction_amount - view.transaction_amount_refunded);
  const amount = readAmount(parsed.data.amount, left);
  if (view.status !== "approved" || left <= 0) throw wrongState();
  if (Date.now() - payment.created_at > REFUNDABLE_MS) {
    throw new ApiError(404, "not_found", "The payment is too old to be refunded", [2024]);
  }
  if (amount < left && !settings.partial) {
    throw new ApiError(400, "bad_request", "Partial refund unsupported for this payment", [3024]);
  }
  const made = { ...refundOf(view.id, id, amount), status: settings.status };
  view.refunds.push(made);
  if (made.status === "approved") {
    setRefunded(payment, cents(view.transaction_amount_refunded + amount));
  }
  return made;
}

/**
 * Moves a payment anywhere, its list of refunds in step: a higher refunded amount adds a refund of the difference, a
 * lower one, as no gateway shows it, leaves a single refund.
 */
export function forceMove(
  payment: Payment,
  move: { status: Status; status_detail?: string | undefined; refunded?: number | undefined },
  id: number,
): void {
  const { view } = payment;
  const all = move.status === "refunded" ? view.transaction_amount : undefined;
  const target = move.refunded ?? all ?? view.transaction_amount_refunded;
  if (target < view.transaction_amount_refunded) {
    view.refunds = [];
    view.transaction_amount_refunded = 0;
  }
  const added = cents(target - view.transaction_amount_refunded);
  if (added > 0) view.refunds.push(refundOf(view.id, id, added));
  view.transaction_amount_refunded = target;
  const isPart = move.status === "approved" && target > 0;
  movePayment(
    payment,
    move.status,
    move.status_detail ?? (isPart ? "partially_refunded" : undefined),
  );
}

/** Cancels a payment that nobody has finished. @throws ApiError when somebody has. */
export function cancel(payment: Payment): void {
  if (!["pending", "in_process"].includes(payment.view.status)) throw wrongState();
  movePayment(payment, "cancelled", "by_collector");
}

function setRefunded(payment: Payment, total: number): void {
  payment.view.transaction_amount_refunded = total;
  if (total >= payment.view.transaction_amount) movePayment(payment, "refunded");
  else movePayment(payment, "approved", "partially_refunded");
}

// The reference gives 4040 and 4041 for bad amounts, and does not say which is which.
function readAmount(amount: unknown, left: number): number {
  if (amount === undefined || amount === null) return left;
  if (typeof amount !== "number") {
    throw new ApiError(401, "unauthorized", "The amount must be a number", [4040]);
  }
  if (amount <= 0 || cents(amount) !== amount || (left > 0 && amount > left)) {
    throw new ApiError(401, "unauthorized", "The amount is not valid for this payment", [4041]);
  }
  return amount;
}

function refundOf(paymentId: number, id: number, amount: number): Refund {
  return {
    id,
    payment_id: paymentId,
    amount,
    status: "approved",
    source: { id: String(COLLECTOR_ID), name: "Cabina", type: "collector" },
    date_created: stamp(Date.now()),
    unique_sequence_number: null,
    refund_mode: "standard",
    adjustment_amount: 0,
    reason: null,
    metadata: {},
  };
}

function wrongState(): ApiError {
  const message = "The action requested is not valid for the current payment state";
  return new ApiError(400, "bad_request", message, [2063]);
}

function cents(value: number): number {
  return Math.round(value * 100) / 100;
}
