import { createApp } from "../_shared/http.ts";
import { postCheckout } from "./routes/checkout.ts";
import { postNotification } from "./routes/notification.ts";
import { getOrder } from "./routes/order.ts";
import { postReconcile } from "./routes/reconcile.ts";

/** All routes of mp-webhook (docs: design §6). */
export const app = createApp("mp-webhook");

app.post("/", postNotification);
app.post("/checkout", postCheckout);
app.get("/orders/:id", getOrder);
app.post("/reconcile", postReconcile);
