import payment from "mercadopago/dist/clients/payment/get/index.js";
import payments from "mercadopago/dist/clients/payment/search/index.js";
import { MPNotFoundError } from "mercadopago/dist/utils/errors/index.js";
import { z } from "zod";
import { ApiError } from "../../_shared/errors.ts";
import { ask, formatDate } from "./ask.ts";

/** What is read of a payment; the rest is kept as it came. */
const paymentSchema = z.looseObject({
  id: z.union([z.number().int(), z.string().regex(/^\d{1,20}$/)]),
  status: z.string(),
  status_detail: z.string().nullish(),
  external_reference: z.string().nullish(),
  transaction_amount: z.number(),
  transaction_amount_refunded: z.number().nullish(),
  currency_id: z.string(),
  collector_id: z.union([z.number(), z.string()]).nullish(),
  live_mode: z.boolean().nullish(),
  date_last_updated: z.iso.datetime({ offset: true }),
});
export type Payment = z.infer<typeof paymentSchema>;

const searchSchema = z.looseObject({
  paging: z.looseObject({ total: z.number() }),
  results: z.array(paymentSchema),
});

/** A payment, or null when the gateway does not know it (yet). @throws {ApiError} UNAVAILABLE */
export async function getPayment(id: string): Promise<Payment | null> {
  try {
    return await ask(
      3000,
      (config) => payment.default({ id, config }),
      paymentSchema,
    );
  } catch (error) {
    if (error instanceof ApiError && error.cause instanceof MPNotFoundError) {
      return null;
    }
    throw error;
  }
}

/** Payments of an order, newest first. @throws {ApiError} UNAVAILABLE */
export async function findPaymentsOfOrder(orderId: string): Promise<Payment[]> {
  const { results } = await search({
    external_reference: orderId,
    limit: 50,
    offset: 0,
  });
  // Not every gateway answer is what was asked for.
  return results.filter((payment) => payment.external_reference === orderId);
}

/** A page of what changed since an instant, newest first. @throws {ApiError} UNAVAILABLE */
export function findRecentPayments(since: Date, offset: number, limit: number) {
  return search({
    range: "date_last_updated",
    begin_date: formatDate(since),
    end_date: formatDate(new Date()),
    limit,
    offset,
  });
}

function search(options: Record<string, string | number>) {
  return ask(
    10_000,
    (config) =>
      payments.default({
        options: { sort: "date_last_updated", criteria: "desc", ...options },
        config,
      }),
    searchSchema,
  );
}
