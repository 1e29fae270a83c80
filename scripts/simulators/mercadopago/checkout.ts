import { Hono } from "hono";
import { messagePage, payPage } from "./checkout_page.ts";
import { type Gateway, type GatewayEnv, pay } from "./gateway.ts";
import type { Payment } from "./payments.ts";
import { isOpen, type Preference } from "./preferences.ts";
import { SITE } from "./state.ts";

const CHOICES = ["approved", "rejected", "pending"] as const;
type Choice = (typeof CHOICES)[number];
const BACK_URL = { approved: "success", rejected: "failure", pending: "pending" } as const;

/** What the buyer sees: the page behind `init_point`, where a person decides how a payment ends. */
export function createCheckout(gateway: Gateway): Hono<GatewayEnv> {
  const app = new Hono<GatewayEnv>();

  app.get("/checkout/pay", (c) => {
    const preference = gateway.state.preferences.get(c.req.query("pref_id") ?? "");
    if (preference === undefined) return c.html(messagePage("Este enlace de pago no existe"), 404);
    if (!isOpen(preference, Date.now())) return c.html(messagePage("Este enlace venció"), 410);
    return c.html(payPage(preference));
  });

  app.post("/checkout/pay", async (c) => {
    const preference = gateway.state.preferences.get(c.req.query("pref_id") ?? "");
    if (preference === undefined) return c.html(messagePage("Este enlace de pago no existe"), 404);
    if (!isOpen(preference, Date.now())) return c.html(messagePage("Este enlace venció"), 410);
    const { result } = await c.req.parseBody();
    const choice = CHOICES.find((each) => each === result);
    if (choice === undefined) return c.html(messagePage("Elegí una opción"), 400);
    const status = outcome(preference, choice);
    const payment = pay(gateway, preference, { status });
    const back = preference.request.back_urls?.[BACK_URL[status]];
    if (back) return c.redirect(withResult(back, payment), 303);
    return c.html(messagePage(`Pago ${payment.view.id}: ${status}`));
  });
  return app;
}

// In binary mode nothing stays pending.
function outcome({ request }: Preference, choice: Choice): Choice {
  return request.binary_mode === true && choice === "pending" ? "rejected" : choice;
}

function withResult(back: string, { view, preference }: Payment): string {
  const url = new URL(back);
  const result = {
    collection_id: view.id,
    collection_status: view.status,
    payment_id: view.id,
    status: view.status,
    external_reference: view.external_reference ?? "null",
    payment_type: view.payment_type_id,
    merchant_order_id: preference.merchant_order_id,
    preference_id: preference.id,
    site_id: SITE,
  };
  for (const [name, value] of Object.entries(result)) url.searchParams.set(name, String(value));
  return url.href;
}
