import { type Context, Hono } from "hono";
import { z } from "zod";
import { moment } from "./dates.ts";
import { ApiError } from "./errors.ts";
import { findPayment, type Gateway, type GatewayEnv, pay } from "./gateway.ts";
import type { Message } from "./messages.ts";
import { STATUSES } from "./payments.ts";
import { forceMove } from "./refunds.ts";
import { Change, HABITS } from "./settings.ts";
import { COLLECTOR_ID } from "./state.ts";

const status = z.enum(STATUSES);
const amount = z.number().min(0);
const NewPayment = z.strictObject({
  preference_id: z.string(),
  status: status.default("approved"),
  status_detail: z.string().optional(),
  transaction_amount: amount.optional(),
  currency_id: z.string().optional(),
  collector_id: z.int().optional(),
  live_mode: z.boolean().optional(),
  external_reference: z.string().nullish(),
  date_created: z.string().refine((text) => moment(text) !== undefined, "ISO 8601").optional(),
  notify: z.boolean().default(true),
});
const Move = z.strictObject({
  status: status.optional(),
  status_detail: z.string().optional(),
  transaction_amount_refunded: amount.optional(),
  notify: z.boolean().default(true),
});
const Notice = z.strictObject({
  // With payment_id the rest has defaults; an id that no payment has needs data_id and notification_url.
  payment_id: z.int().optional(),
  data_id: z.string().min(1).optional(),
  notification_url: z.url().optional(),
  style: z.enum(["webhook", "ipn"]).default("webhook"),
  topic: z.string().min(1).default("payment"),
  action: z.string().min(1).default("payment.updated"),
  // Of an earlier event, which comes again.
  event_id: z.int().optional(),
  ...HABITS,
});

/** What tests and people use to steer the gateway and to look inside; no part of the real API. */
export function createControl(gateway: Gateway): Hono<GatewayEnv> {
  const { state, faults, notifications } = gateway;
  const app = new Hono<GatewayEnv>();

  app.get("/_control", (c) => c.json(faults.settings));

  app.post("/_control", async (c) => {
    faults.apply(await read(c, Change));
    notifications.release();
    return c.json(faults.settings);
  });

  app.delete("/_control", (c) => {
    faults.reset();
    notifications.release();
    return c.json(faults.settings);
  });

  app.post("/_control/payments", async (c) => {
    const { preference_id, notify, ...input } = await read(c, NewPayment);
    const preference = state.preferences.get(preference_id);
    if (preference === undefined) throw refusal(`no preference ${preference_id}`);
    return c.json(pay(gateway, preference, input, notify).view, 201);
  });

  app.post("/_control/payments/:id", async (c) => {
    const payment = findPayment(gateway, c.req.param("id"));
    const move = await read(c, Move);
    forceMove(payment, {
      status: move.status ?? payment.view.status,
      status_detail: move.status_detail,
      refunded: move.transaction_amount_refunded,
    }, state.nextId());
    if (move.notify) notifications.announce(payment, "payment.updated");
    return c.json(payment.view);
  });

  app.post("/_control/notify", async (c) => {
    const { delivery, body } = await notifications.sendOnce(messageOf(await read(c, Notice)));
    return c.json({ status: delivery.status, error: delivery.error, ms: delivery.ms, body });
  });

  app.get("/_payments", (c) => {
    const { external_reference, preference_id } = c.req.query();
    const found = [...state.payments.values()].reverse().filter(({ view, preference }) =>
      (external_reference === undefined || view.external_reference === external_reference) &&
      (preference_id === undefined || preference.id === preference_id)
    );
    return c.json({ payments: found.slice(0, limit(c)).map(({ view }) => view) });
  });

  app.get("/_deliveries", (c) => {
    const id = c.req.query("payment_id");
    const found = state.deliveries.filter((each) =>
      id === undefined || String(each.payment_id) === id
    );
    return c.json({ deliveries: found.slice(0, limit(c)) });
  });

  function messageOf(notice: z.infer<typeof Notice>): Message {
    const { payment_id, style, topic, action } = notice;
    const payment = payment_id === undefined ? undefined : findPayment(gateway, String(payment_id));
    const dataId = notice.data_id ?? payment?.view.id;
    const url = notice.notification_url ?? payment?.preference.request.notification_url;
    if (dataId === undefined || !url) throw refusal("data_id and notification_url are needed");
    return {
      style,
      topic,
      action: style === "webhook" ? action : null,
      data_id: String(dataId),
      event_id: notice.event_id ?? state.nextId(),
      payment_id: payment_id ?? null,
      live_mode: payment?.view.live_mode ?? false,
      user_id: payment?.view.collector_id ?? COLLECTOR_ID,
      notification_url: url,
      habits: notice,
    };
  }
  return app;
}

async function read<S extends z.ZodType>(c: Context, schema: S): Promise<z.infer<S>> {
  const parsed = schema.safeParse(await c.req.json().catch(() => undefined));
  if (!parsed.success) throw refusal(z.prettifyError(parsed.error));
  return parsed.data;
}

function limit(c: Context): number {
  const text = c.req.query("limit") ?? "100";
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw refusal(`limit must be a whole number from 1, not ${text}`);
  }
  return Number(text);
}

function refusal(reason: string): ApiError {
  return new ApiError(400, "control", `Cannot do that with the simulator: ${reason}`);
}
