import preference from "mercadopago/dist/clients/preference/create/index.js";
import { z } from "zod";
import { ask, formatDate } from "./ask.ts";

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
    ({ accessToken, options }) =>
      preference.default({
        body,
        config: { accessToken, options: { ...options, idempotencyKey: request.idempotencyKey } },
      }),
    preferenceSchema,
  );
}
