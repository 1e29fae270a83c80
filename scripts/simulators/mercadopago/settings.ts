import { z } from "zod";

/*
 * What the control route accepts: the one place that names every bad habit the simulator can play.
 */

const ms = z.number().min(0).max(600_000);

/** The calls that a fault can be aimed at. */
export const ROUTES = ["preferences", "payment", "search", "refunds", "cancel"] as const;

// `accepted`: the call has its effect all the same, as when only the answer is lost.
// `next`: the next N calls; without it, every call until the fault is removed.
const aim = {
  on: z.enum(["any", ...ROUTES]).default("any"),
  accepted: z.boolean().default(false),
  next: z.int().min(1).optional(),
};

/**
 * A call that goes wrong.
 *
 * `html` and `null`: status 200 with a page, or with the JSON text null. `stall`: half of an answer comes, then nothing,
 * and the connection stays open. `drop`: the connection is cut. Deno's fetch sends a request whose connection was cut
 * once more by itself, a POST included, unless its body is a stream.
 */
const RequestFault = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("status"),
    status: z.int().min(400).max(599),
    // Seconds, for the header Retry-After.
    retry_after: z.int().min(0).optional(),
    ...aim,
  }),
  z.strictObject({ kind: z.literal("html"), ...aim }),
  z.strictObject({ kind: z.literal("null"), ...aim }),
  z.strictObject({ kind: z.literal("stall"), ...aim }),
  z.strictObject({ kind: z.literal("drop"), ...aim }),
]);

/** What can be wrong with a single notification. */
export const HABITS = {
  // The guides show both units.
  ts: z.enum(["ms", "s"]).default("ms"),
  // A notification that was signed long ago, as a late resend may be.
  ts_age_s: z.number().min(0).max(31_536_000).default(0),
  request_id: z.enum(["present", "missing"]).default("present"),
  signature: z.enum(["valid", "wrong_secret", "none"]).default("valid"),
  // The body names another payment than the query: the signature covers the query alone.
  body_id: z.string().min(1).optional(),
};

const Webhooks = z.strictObject({
  off: z.boolean().default(false),
  // as_asked: both styles, unless the notification_url chooses one with `source_news`.
  style: z.enum(["as_asked", "both", "webhook", "ipn"]).default("as_asked"),
  // Copies of a message leave at the same time.
  copies: z.int().min(1).max(20).default(1),
  delay_ms: ms.default(0),
  // Messages are held until there are this many, and then leave last come, first served.
  reorder: z.int().min(0).max(100).default(0),
  // How often a message is tried, and real time for the gateway's between two tries (15 min = 0.9 s).
  tries: z.int().min(1).max(20).default(6),
  resend_scale: z.number().min(0).max(1).default(0.001),
  // How long a receiver may take, in real time.
  deadline_ms: ms.min(1).default(22_000),
  ...HABITS,
});

const Refunds = z.strictObject({
  // What becomes of a refund; only an approved one moves the payment.
  status: z.enum(["approved", "in_process", "rejected"]).default("approved"),
  partial: z.boolean().default(true),
});

const faultList = z.preprocess(
  (value) => Array.isArray(value) ? value : [value],
  z.array(RequestFault).max(20),
);

/** Body of POST /mercadopago/_control: what is given replaces what held, null brings the default back. */
export const Change = z.strictObject({
  // The gateway refuses auto_return with the success URL of a local stack.
  allow_local_back_urls: z.boolean().nullish(),
  // Whether a repeated X-Idempotency-Key brings the first preference back; the vendor promises nothing.
  repeat_preferences: z.boolean().nullish(),
  // How long each answer of the API takes.
  latency_ms: ms.nullish(),
  faults: faultList.nullish(),
  // The first N looks at any payment answer 404.
  payment_404_first: z.int().min(0).max(100).nullish(),
  // How long a new payment is missing in the search.
  search_lag_ms: ms.nullish(),
  refunds: Refunds.nullish(),
  webhooks: Webhooks.nullish(),
});
export type Change = z.infer<typeof Change>;
export type Settings = { [Name in keyof Change]-?: NonNullable<Change[Name]> };
export type RequestFault = z.infer<typeof RequestFault>;
export type Route = (typeof ROUTES)[number];
/** What a message is sent with. */
export type Habits = z.infer<z.ZodObject<typeof HABITS>>;

/** A gateway in good health, as a local stack needs it: the URLs of a local stack are local ones. */
export function defaults(): Settings {
  return {
    allow_local_back_urls: true,
    repeat_preferences: true,
    latency_ms: 0,
    faults: [],
    payment_404_first: 0,
    search_lag_ms: 0,
    refunds: Refunds.parse({}),
    webhooks: Webhooks.parse({}),
  };
}
