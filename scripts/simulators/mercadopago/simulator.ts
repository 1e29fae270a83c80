import type { Hono } from "hono";
import { createCheckout } from "./checkout.ts";
import { createControl } from "./control.ts";
import { ApiError } from "./errors.ts";
import { Faults } from "./faults.ts";
import type { Gateway, GatewayEnv } from "./gateway.ts";
import { Notifications } from "./notifications.ts";
import { createApi, refuseRoute } from "./routes.ts";
import { State } from "./state.ts";

/** The simulated Mercado Pago. */
export interface MercadoPagoSimulator {
  /** For `/mercadopago`: the API, the checkout page, and the control routes. */
  api: Hono<GatewayEnv>;
  /** Ends waiting answers and notifications. */
  close: () => void;
}

/**
 * Builds the simulator of Mercado Pago's Checkout Pro, the flavour with preferences. What it knows is in memory: after
 * a restart old payments are unknown, and new ones have new ids.
 *
 * @param options.accessToken the one that is accepted; without it, every token is.
 * @param options.webhookSecret signs webhooks; without it they carry no signature.
 */
export function createMercadoPagoSimulator(
  options: { accessToken?: string | undefined; webhookSecret?: string | undefined },
): MercadoPagoSimulator {
  const stop = new AbortController();
  const state = new State();
  const faults = new Faults();
  const notifications = new Notifications(state, faults, options.webhookSecret, stop.signal);
  const gateway: Gateway = {
    state,
    faults,
    notifications,
    accessToken: options.accessToken,
    stop: stop.signal,
  };
  const api = createApi(gateway)
    .route("/", createCheckout(gateway))
    .route("/", createControl(gateway));
  api.onError((cause) => {
    if (cause instanceof ApiError) return cause.toResponse();
    if (!stop.signal.aborted) console.error("simulators: mercadopago:", cause);
    return new ApiError(500, "internal_error", "Internal error").toResponse();
  });
  api.all("*", refuseRoute);
  return { api, close: () => stop.abort() };
}
