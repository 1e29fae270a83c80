import { rpc } from "../_shared/database.ts";
import { requireEnv } from "../_shared/env.ts";
import { log } from "../_shared/log.ts";
import { findPaymentsOfOrder, type Payment } from "./gateway/payments.ts";

export { findRecentPayments, getPayment } from "./gateway/payments.ts";

/** An order, as the database tells it. */
export interface Order {
  id: string;
  title: string;
  credits: number;
  amount: number;
  currency: string;
  status: "pending" | "paid" | "refunded" | "cancelled";
  redirect_url: string | null;
  preference_key: string;
  preference_id: string | null;
  init_point: string | null;
  expires_at: string;
}

interface Applied {
  outcome:
    | "credited"
    | "reversed"
    | "reinstated"
    | "unchanged"
    | "stale"
    | "mismatch"
    | "unknown_order";
  order_id: string | null;
  order_status: string | null;
}

/**
 * Brings the ledger to what a payment, as just fetched, says. Returns whether that moved credits.
 * @param inboxId the notification that made us look, if one did
 */
export async function applyPayment(
  payment: Payment,
  inboxId: number | null = null,
) {
  const [applied] = await rpc<Applied[]>("apply_payment", {
    p_payment: payment,
    p_is_live: requireEnv("MP_LIVE") === "true",
    p_inbox_id: inboxId,
  });
  const { outcome, order_id } = applied!;
  const isMoved = ["credited", "reversed", "reinstated"].includes(outcome);
  if (isMoved || outcome === "mismatch") {
    log(isMoved ? "info" : "warn", "payment_applied", {
      payment_id: String(payment.id),
      order_id,
      status: payment.status,
      outcome,
    });
  }
  return isMoved;
}

/** Looks up and applies all payments of an order. Returns how many moved credits. */
export async function applyPaymentsOfOrder(orderId: string): Promise<number> {
  let moved = 0;
  for (const payment of await findPaymentsOfOrder(orderId)) {
    if (await applyPayment(payment)) moved++;
  }
  return moved;
}
