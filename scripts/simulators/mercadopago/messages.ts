import { stamp } from "./dates.ts";
import type { Payment } from "./payments.ts";
import type { Habits, Settings } from "./settings.ts";
import { sign } from "./signature.ts";

/** `ipn` is the older style, whose signature nobody can verify. */
export type Style = "webhook" | "ipn";

/** A notification to send. It never says what happened to the payment: receivers ask for it. */
export interface Message {
  style: Style;
  topic: string;
  /** `payment.created` or `payment.updated`; the older style has none. */
  action: string | null;
  data_id: string;
  event_id: number;
  payment_id: number | null;
  live_mode: boolean;
  user_id: number;
  notification_url: string;
  habits: Habits;
}

/** A message as it goes out. */
export interface Letter {
  url: string;
  headers: Headers;
  body: string;
}

const FOREIGN_SECRET = "not the secret of this application";

/**
 * The messages of one event of a payment: a webhook and its older twins, of which one names the merchant order.
 *
 * @param nextId numbers the events.
 */
export function messagesOf(
  payment: Payment,
  action: string,
  webhooks: Settings["webhooks"],
  nextId: () => number,
): Message[] {
  const { view, preference } = payment;
  const url = preference.request.notification_url;
  if (!url) return [];
  const id = String(view.id);
  const message = (style: Style, topic: string, dataId: string): Message => ({
    style,
    topic,
    action: style === "webhook" ? action : null,
    data_id: dataId,
    event_id: nextId(),
    payment_id: view.id,
    live_mode: view.live_mode,
    user_id: view.collector_id,
    notification_url: url,
    habits: webhooks,
  });
  const styles = stylesOf(url, webhooks.style);
  return [
    ...styles.webhook ? [message("webhook", "payment", id)] : [],
    ...styles.ipn
      ? [
        message("ipn", "payment", id),
        message("ipn", "merchant_order", String(preference.merchant_order_id)),
      ]
      : [],
  ];
}

/** Writes and signs a message. Without a secret nothing is signed. */
export function writeLetter(message: Message, secret: string | undefined): Letter {
  const { style, topic, data_id, habits, notification_url } = message;
  const requestId = habits.request_id === "present" ? crypto.randomUUID() : undefined;
  const at = Date.now() - habits.ts_age_s * 1000;
  const ts = String(habits.ts === "ms" ? at : Math.floor(at / 1000));
  const headers = new Headers({
    "content-type": "application/json",
    "user-agent": "restclient-node/4.15.3",
    "x-rest-pool-name": "/services/webhooks.js",
    "x-socket-timeout": "22000",
  });
  if (requestId !== undefined) headers.set("x-request-id", requestId);
  if (secret !== undefined && habits.signature !== "none") {
    const isVerifiable = style === "webhook" && habits.signature === "valid";
    const key = isVerifiable ? secret : FOREIGN_SECRET;
    headers.set("x-signature", sign({ id: data_id, requestId, ts }, key));
  }
  const id = encodeURIComponent(data_id);
  const target = style === "webhook"
    ? `data.id=${id}&type=${encodeURIComponent(topic)}`
    : `topic=${encodeURIComponent(topic)}&id=${id}`;
  return {
    url: withQuery(notification_url, target),
    headers,
    body: JSON.stringify(bodyOf(message)),
  };
}

function bodyOf(message: Message) {
  const id = message.habits.body_id ?? message.data_id;
  if (message.style === "webhook") {
    return {
      action: message.action,
      api_version: "v1",
      data: { id },
      date_created: stamp(Date.now()),
      id: message.event_id,
      live_mode: message.live_mode,
      type: message.topic,
      user_id: message.user_id,
    };
  }
  const resource = message.topic === "merchant_order"
    ? `https://api.mercadolibre.com/merchant_orders/${id}`
    : id;
  return { resource, topic: message.topic };
}

function stylesOf(url: string, style: Settings["webhooks"]["style"]) {
  const asked = new URL(url).searchParams.get("source_news");
  if (style !== "as_asked") return { webhook: style !== "ipn", ipn: style !== "webhook" };
  return { webhook: asked !== "ipn", ipn: asked !== "webhooks" };
}

// The receiver's own parameters stay as they were written.
function withQuery(url: string, query: string): string {
  const bare = url.split("#", 1)[0] ?? url;
  return `${bare}${bare.includes("?") ? "&" : "?"}${query}`;
}
