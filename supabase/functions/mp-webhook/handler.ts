import { createApp } from "../_shared/http.ts";
import { type AnyRoute, mount } from "../_shared/route.ts";
import { openCheckout } from "./routes/checkout.ts";
import { receiveNotification } from "./routes/notification.ts";
import { getOrder } from "./routes/order.ts";
import { reconcile } from "./routes/reconcile.ts";

/**
 * All routes of mp-webhook (docs: design §6). Only a checkout finds a person waiting for a cold start, so what
 * the others need of payments is loaded by their first request.
 */
export const routes: AnyRoute[] = [
  receiveNotification,
  openCheckout,
  getOrder,
  reconcile,
];

export const app = createApp("mp-webhook");
mount(app, routes);
