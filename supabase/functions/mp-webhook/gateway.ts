// Not from "mercadopago" itself, which loads twenty clients at every cold start.
import { Payment as PaymentClient } from "mercadopago/dist/clients/payment/index.js";
import { Preference as PreferenceClient } from "mercadopago/dist/clients/preference/index.js";
import { MercadoPagoConfig } from "mercadopago/dist/mercadoPagoConfig.js";
import { AppConfig } from "mercadopago/dist/utils/config/index.js";
import { MPNotFoundError } from "mercadopago/dist/utils/errors/index.js";
import { z } from "zod";
import { requireEnv } from "../_shared/env.ts";
import { ApiError } from "../_shared/errors.ts";

type Options = NonNullable<
  ConstructorParameters<typeof MercadoPagoConfig>[0]["options"]
>;

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

const preferenceSchema = z.looseObject({
  id: z.string().min(1),
  init_point: z.url(),
  collector_id: z.union([z.number(), z.string()]).transform(String),
});
export type Preference = z.infer<typeof preferenceSchema>;

/** What a buyer is asked to pay. */
export interface PreferenceRequest {
  orderId: string;
  title: string;
  amount: number;
  currency: string;
  /** The same key again asks for the same preference. */
  idempotencyKey: string;
  notificationUrl: string;
  returnUrl: string;
  expiresAt: Date;
}

/** Where the gateway takes the payment. @throws {ApiError} UNAVAILABLE */
export function createPreference(
  request: PreferenceRequest,
): Promise<Preference> {
  const { returnUrl } = request;
  const expiresAt = formatDate(request.expiresAt);
  const body = {
    items: [{
      id: request.orderId,
      title: request.title,
      quantity: 1,
      unit_price: request.amount,
      currency_id: request.currency,
    }],
    external_reference: request.orderId,
    statement_descriptor: "CABINA",
    notification_url: request.notificationUrl,
    back_urls: { success: returnUrl, pending: returnUrl, failure: returnUrl },
    // Refused by the gateway unless it can send the buyer to an https address.
    ...(returnUrl.startsWith("https:") && { auto_return: "approved" }),
    expires: true,
    expiration_date_to: expiresAt,
    date_of_expiration: expiresAt,
  };
  return ask(
    10_000,
    (options) =>
      new PreferenceClient(configure(options)).create({
        body,
        requestOptions: { idempotencyKey: request.idempotencyKey },
      }),
    preferenceSchema,
  );
}

/** A payment, or null when the gateway does not know it (yet). @throws {ApiError} UNAVAILABLE */
export async function getPayment(id: string): Promise<Payment | null> {
  try {
    return await ask(
      3000,
      (options) => new PaymentClient(configure(options)).get({ id }),
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
    (requestOptions) =>
      new PaymentClient(configure(requestOptions)).search({
        options: { sort: "date_last_updated", criteria: "desc", ...options },
      }),
    searchSchema,
  );
}

/**
 * A configuration for one call. The package writes a call's options back into a shared one, so that
 * a later refund would go out with an earlier call's idempotency key; and it knows no base address
 * but its own.
 */
function configure(options: Options): MercadoPagoConfig {
  const baseUrl = requireEnv("MP_API_URL").replace(/\/+$/, "");
  Object.defineProperty(AppConfig, "BASE_URL", {
    value: baseUrl,
    configurable: true,
    writable: true,
  });
  return new MercadoPagoConfig({
    accessToken: requireEnv("MP_ACCESS_TOKEN"),
    options,
  });
}

/**
 * Makes a call that is over after `limitMs` at the latest, with at most one repetition, and checks
 * the answer. The package's own timeout ends with the headers: a body that stalls, or one that is no
 * JSON, is its success.
 */
async function ask<T>(
  limitMs: number,
  call: (options: Options) => Promise<unknown>,
  schema: z.ZodType<T>,
): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => deadline.reject(new Error(`no answer in ${limitMs} ms`)),
    limitMs,
  );
  try {
    const answer = await Promise.race([
      call({
        timeout: Math.floor(limitMs * 0.45),
        maxRetries: 1,
        initialDelay: 100,
        maxDelay: 200,
      }),
      deadline.promise,
    ]);
    return schema.parse(answer);
  } catch (error) {
    throw new ApiError("UNAVAILABLE", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** With milliseconds and an offset in digits, as the gateway writes it. */
function formatDate(date: Date): string {
  return date.toISOString().replace("Z", "+00:00");
}
