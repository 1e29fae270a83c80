import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { publicUrl, requireEnv } from "../../_shared/env.ts";
import { route } from "../../_shared/route.ts";
import type { Order } from "../payments.ts";
import { checkoutRequest } from "../schemas.ts";

/**
 * An order first, then the gateway's page for it. Should the answer be lost, the same idempotency_key
 * finds the order again, and the order's own key the same page.
 */
export const openCheckout = route({
  method: "post",
  path: "/checkout",
  credential: "account",
  summary: "Opens an order for a pack of credits, and the gateway's page to pay it.",
  description: "The price is the pack's. A pack for partners credits the caller's partner.",
  body: checkoutRequest,
  answer: z.object({
    order_id: z.uuid(),
    init_point: z.url().describe("Where the buyer pays"),
    preference_id: z.string().describe("The gateway's name of the order"),
  }),
  errors: ["FORBIDDEN", "NOT_FOUND", "IDEMPOTENCY_CONFLICT", "RATE_LIMITED"],
  async handle({ actor, body }) {
    const [order] = await Promise.all([
      rpc<Order>("create_order", {
        p_user_id: actor,
        p_pack_id: body.pack_id,
        p_redirect_url: body.redirect_url ?? null,
        p_idempotency_key: body.idempotency_key ?? null,
      }),
      loadGateway(),
    ]);
    const { preference_id, init_point } = order.preference_id === null
      ? await openPreference(order)
      : order;
    return { order_id: order.id, init_point: init_point!, preference_id: preference_id! };
  },
});

/** The gateway's package is the slowest part of a cold start: it is loaded while the database works. */
const loadGateway = () => import("../gateway/preferences.ts");

async function openPreference(order: Order): Promise<Order> {
  const { createPreference } = await loadGateway();
  const preference = await createPreference({
    orderId: order.id,
    title: order.title,
    amount: Number(order.amount),
    currency: order.currency,
    idempotencyKey: order.preference_key,
    // From the configuration, never from a header of the request. Old-style notices cannot be verified: none.
    notificationUrl: `${publicUrl()}/functions/v1/mp-webhook?source_news=webhooks`,
    returnUrl: withOrder(
      order.redirect_url ?? requireEnv("CABINA_APP_URL"),
      order.id,
    ),
    expiresAt: new Date(order.expires_at),
  });
  return await rpc<Order>("record_preference", {
    p_order_id: order.id,
    p_preference_id: preference.id,
    p_init_point: preference.init_point,
    p_collector_id: preference.collector_id,
  });
}

function withOrder(address: string, orderId: string): string {
  const url = new URL(address);
  url.searchParams.set("order", orderId);
  return url.href;
}
