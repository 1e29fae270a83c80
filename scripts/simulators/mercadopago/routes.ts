import { Hono } from "hono";
import { z } from "zod";
import { ApiError, paymentNotFound } from "./errors.ts";
import {
  endpoint,
  findPayment,
  type Gateway,
  type GatewayContext,
  type GatewayEnv,
} from "./gateway.ts";
import type { Payment } from "./payments.ts";
import { createPreference, type Preference } from "./preferences.ts";
import { cancel, type Refund, refund } from "./refunds.ts";
import { search } from "./search.ts";

/** The gateway's API, as the vendor documents it and as its SDK calls it. */
export function createApi(gateway: Gateway): Hono<GatewayEnv> {
  const { state, faults, notifications } = gateway;
  const preferencesByKey = new Map<string, Preference>();
  const refundsByKey = new Map<string, { request: string; answer: Refund }>();
  const app = new Hono<GatewayEnv>();

  // The SDK posts with a trailing slash.
  app.on(
    "POST",
    ["/checkout/preferences", "/checkout/preferences/"],
    endpoint(gateway, "preferences", async (c) => {
      const text = await c.req.text();
      const key = c.req.header("x-idempotency-key");
      const known = faults.settings.repeat_preferences
        ? preferencesByKey.get(`${key} ${text}`)
        : undefined;
      if (known !== undefined) return c.json(known.view, 201);
      const preference = createPreference(parseJson(text), {
        base: baseUrl(c),
        orderId: state.nextId(),
        allowLocal: faults.settings.allow_local_back_urls,
      });
      state.preferences.set(preference.id, preference);
      if (key !== undefined) preferencesByKey.set(`${key} ${text}`, preference);
      return c.json(preference.view, 201);
    }),
  );

  app.get(
    "/checkout/preferences/:id",
    endpoint(gateway, "preferences", (c) => {
      const preference = state.preferences.get(c.req.param("id") ?? "");
      if (preference === undefined) throw new ApiError(404, "not_found", "Preference not found");
      return c.json(preference.view);
    }),
  );

  app.get(
    "/v1/payments/search",
    endpoint(gateway, "search", (c) => {
      const found = search(state.payments.values(), c.req.query(), faults.settings.search_lag_ms);
      return c.json(found);
    }),
  );

  app.get(
    "/v1/payments/:id",
    endpoint(gateway, "payment", (c) => {
      const payment = findPayment(gateway, c.req.param("id"));
      payment.looks += 1;
      if (payment.looks <= faults.settings.payment_404_first) throw paymentNotFound();
      return c.json(payment.view);
    }),
  );

  app.put(
    "/v1/payments/:id",
    endpoint(gateway, "cancel", async (c) => {
      const payment = findPayment(gateway, c.req.param("id"));
      const wanted = z.looseObject({ status: z.enum(["cancelled", "canceled"]) });
      if (!wanted.safeParse(parseJson(await c.req.text())).success) {
        throw new ApiError(400, "bad_request", "The only change this simulator knows is cancelled");
      }
      cancel(payment);
      notifications.announce(payment, "payment.updated");
      return c.json(payment.view);
    }),
  );

  app.get(
    "/v1/payments/:id/refunds",
    endpoint(gateway, "refunds", (c) => {
      return c.json(findPayment(gateway, c.req.param("id")).view.refunds);
    }),
  );

  app.post(
    "/v1/payments/:id/refunds",
    endpoint(gateway, "refunds", async (c) => {
      const key = c.req.header("x-idempotency-key");
      if (!key) {
        throw new ApiError(400, "bad_request", "Header X-Idempotency-Key can't be null", [4292]);
      }
      const text = await c.req.text();
      const payment = findPayment(gateway, c.req.param("id"));
      const request = `${payment.view.id} ${text}`;
      const known = refundsByKey.get(key);
      if (known?.request === request) return c.json(known.answer, 201);
      if (known !== undefined) {
        throw new ApiError(404, "not_found", "The idempotency key is already used", [2032]);
      }
      const answer = giveBack(payment, text);
      refundsByKey.set(key, { request, answer });
      return c.json(answer, 201);
    }),
  );

  function giveBack(payment: Payment, text: string): Refund {
    const body = text === "" ? undefined : parseJson(text);
    const made = refund(payment, body, state.nextId(), faults.settings.refunds);
    if (made.status === "approved") notifications.announce(payment, "payment.updated");
    return made;
  }
  return app;
}

/** Any other path; comes last on a mounted app, whose own notFound hono does not ask. */
export function refuseRoute(): Response {
  return new ApiError(404, "not_found", "The resource does not exist").toResponse();
}

// Under the address that the caller used.
function baseUrl(c: GatewayContext): string {
  return `${new URL(c.req.url).origin}/mercadopago`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "bad_request", "The body is not JSON");
  }
}
