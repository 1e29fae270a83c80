import { setTimeout as sleep } from "node:timers/promises";
import type { Context, Handler } from "hono";
import type { Connection } from "../serve.ts";
import { ApiError, paymentNotFound } from "./errors.ts";
import type { Faults } from "./faults.ts";
import type { Notifications } from "./notifications.ts";
import { createPayment, type Payment, type PaymentInput } from "./payments.ts";
import type { Preference } from "./preferences.ts";
import type { RequestFault, Route } from "./settings.ts";
import type { State } from "./state.ts";

/** What the gateway is made of. */
export interface Gateway {
  state: State;
  faults: Faults;
  notifications: Notifications;
  /** The only token that is good; without one, every token is. */
  accessToken: string | undefined;
  stop: AbortSignal;
}

export type GatewayEnv = { Bindings: Connection };
export type GatewayContext = Context<GatewayEnv>;

/** A call of the API: it needs the access token, and it can go wrong. */
export function endpoint(
  gateway: Gateway,
  route: Route,
  action: (c: GatewayContext) => Promise<Response> | Response,
): Handler<GatewayEnv> {
  return async (c) => {
    await sleep(gateway.faults.settings.latency_ms, undefined, { signal: gateway.stop });
    const fault = gateway.faults.strike(route);
    if (fault === undefined || fault.accepted) {
      authenticate(gateway, c.req.header("authorization"));
      const response = await action(c);
      if (fault === undefined) return response;
    }
    if (fault.kind === "drop") c.env.drop();
    return spoiled(fault);
  };
}

/** Makes a payment, and tells its receiver unless asked not to. */
export function pay(
  { state, notifications }: Gateway,
  preference: Preference,
  input: PaymentInput,
  notify = true,
): Payment {
  const payment = createPayment(state.nextId(), preference, input);
  state.payments.set(payment.view.id, payment);
  if (notify) notifications.announce(payment, "payment.created");
  return payment;
}

/** The payment of an id as it stands in a path. @throws ApiError when there is none. */
export function findPayment({ state }: Gateway, id: string | undefined): Payment {
  const payment = state.payments.get(Number(id));
  if (payment === undefined) throw paymentNotFound();
  return payment;
}

// The page lists invalid_access_token; its status is the one that clients take for a bad token.
function authenticate({ accessToken }: Gateway, header: string | undefined): void {
  const token = /^Bearer (\S+)$/i.exec(header ?? "")?.[1];
  if (token !== undefined && (accessToken === undefined || token === accessToken)) return;
  throw new ApiError(401, "invalid_access_token", "The access token is missing or not valid");
}

function spoiled(fault: RequestFault): Response {
  if (fault.kind === "status") {
    const response = new ApiError(fault.status, `http_${fault.status}`, "Simulated failure")
      .toResponse();
    if (fault.retry_after !== undefined) {
      response.headers.set("retry-after", String(fault.retry_after));
    }
    return response;
  }
  const json = { headers: { "content-type": "application/json" } };
  if (fault.kind === "null") return new Response("null", json);
  if (fault.kind === "stall") return new Response(halfAnAnswer(), json);
  const page = "<html><head><title>Mercado Pago</title></head><body>Un momento…</body></html>";
  return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
}

// Never closed: the caller waits until it, or the simulator, gives up.
function halfAnAnswer(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"id":')),
  });
}
