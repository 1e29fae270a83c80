import { moment, stamp } from "./dates.ts";
import type { Preference } from "./preferences.ts";
import type { Refund } from "./refunds.ts";
import { COLLECTOR_ID, CURRENCY } from "./state.ts";

/** Every status of the reference, with the detail that goes with it where nobody names one. */
export const DETAILS = {
  pending: "pending_waiting_payment",
  in_process: "pending_review_manual",
  authorized: "pending_capture",
  approved: "accredited",
  rejected: "cc_rejected_insufficient_amount",
  cancelled: "by_collector",
  // The newest page spells it so.
  canceled: "by_collector",
  refunded: "refunded",
  in_mediation: "pending",
  charged_back: "in_process",
} as const;
export type Status = keyof typeof DETAILS;
export const STATUSES = Object.keys(DETAILS) as [Status, ...Status[]];

/** A payment as the gateway keeps it. */
export interface Payment {
  preference: Preference;
  /** How often it was looked at by its id. */
  looks: number;
  created_at: number;
  updated_at: number;
  /** As the API shows it. */
  view: PaymentView;
}

/** The fields of a payment that change, or that something here reads; the API shows more. */
export interface PaymentView extends Record<string, unknown> {
  id: number;
  status: Status;
  status_detail: string;
  external_reference: string | null;
  transaction_amount: number;
  transaction_amount_refunded: number;
  currency_id: string;
  collector_id: number;
  live_mode: boolean;
  captured: boolean;
  date_created: string;
  date_approved: string | null;
  date_last_updated: string;
  money_release_date: string | null;
  refunds: Refund[];
}

/** What a payment can have that its preference did not say. */
export interface PaymentInput {
  status: Status;
  status_detail?: string | undefined;
  transaction_amount?: number | undefined;
  currency_id?: string | undefined;
  collector_id?: number | undefined;
  live_mode?: boolean | undefined;
  external_reference?: string | null | undefined;
  date_created?: string | undefined;
}

/** Makes a payment for a preference. */
export function createPayment(id: number, preference: Preference, input: PaymentInput): Payment {
  const { request } = preference;
  const amount = input.transaction_amount ?? preference.amount;
  const createdAt = moment(input.date_created) ?? Date.now();
  const payment: Payment = {
    preference,
    looks: 0,
    created_at: createdAt,
    updated_at: createdAt,
    view: {
      id,
      status: input.status,
      status_detail: input.status_detail ?? DETAILS[input.status],
      external_reference: input.external_reference === undefined
        ? request.external_reference ?? null
        : input.external_reference,
      transaction_amount: amount,
      transaction_amount_refunded: 0,
      currency_id: input.currency_id ?? CURRENCY,
      collector_id: input.collector_id ?? COLLECTOR_ID,
      live_mode: input.live_mode ?? false,
      captured: input.status !== "authorized",
      binary_mode: request.binary_mode ?? false,
      date_created: stamp(createdAt),
      date_approved: null,
      date_last_updated: stamp(createdAt),
      date_of_expiration: request.date_of_expiration ?? null,
      money_release_date: null,
      description: request.items[0]?.title ?? null,
      metadata: request.metadata,
      order: { id: String(preference.merchant_order_id), type: "mercadopago" },
      payer: {
        id: "1387654321",
        email: request.payer?.email ?? "test_user_1387654321@testuser.com",
      },
      ...paidWith(input.status),
      installments: 1,
      operation_type: "regular_payment",
      notification_url: request.notification_url ?? null,
      statement_descriptor: request.statement_descriptor ?? null,
      refunds: [],
      fee_details: [],
      transaction_details: { net_received_amount: 0, total_paid_amount: amount },
    },
  };
  settle(payment);
  return payment;
}

/** Gives a payment another status and detail, and a later `date_last_updated`. */
export function movePayment(payment: Payment, status: Status, detail?: string): void {
  // Two changes within one millisecond still have an order.
  payment.updated_at = Math.max(Date.now(), payment.updated_at + 1);
  payment.view.status = status;
  payment.view.status_detail = detail ?? DETAILS[status];
  payment.view.date_last_updated = stamp(payment.updated_at);
  settle(payment);
}

// Approval leaves traces that later states keep.
function settle({ view, updated_at }: Payment): void {
  if (view.status !== "approved" || view.date_approved !== null) return;
  const fee = Math.round(view.transaction_amount * 6.29) / 100;
  const net = Math.round((view.transaction_amount - fee) * 100) / 100;
  view.captured = true;
  view.date_approved = stamp(updated_at);
  view.money_release_date = stamp(updated_at + 10 * 86_400_000);
  view.fee_details = [{ type: "mercadopago_fee", amount: fee, fee_payer: "collector" }];
  view.transaction_details = {
    net_received_amount: net,
    total_paid_amount: view.transaction_amount,
  };
}

// What waits is paid in cash at a counter, everything else by card.
function paidWith(status: Status) {
  return status === "pending"
    ? { payment_method_id: "rapipago", payment_type_id: "ticket" }
    : { payment_method_id: "visa", payment_type_id: "credit_card" };
}
