import { z } from "zod";
import { isLoopback } from "../kie/callbacks.ts";
import { moment, stamp } from "./dates.ts";
import { ApiError } from "./errors.ts";
import { CLIENT_ID, COLLECTOR_ID, SITE } from "./state.ts";

const text = z.string().min(1);
const webAddress = z.string().refine(isWebAddress, "must be an http(s) URL");
const backUrl = webAddress.or(z.literal("")).optional();
const date = z.string().refine((value) => moment(value) !== undefined, "must be an ISO 8601 date");

// Fields that are not named here are kept and shown again, as the gateway does.
const Request = z.looseObject({
  items: z.array(z.looseObject({
    title: text,
    quantity: z.int().min(1),
    unit_price: z.number().positive().refine(hasCents, "must have at most two decimals"),
  })).min(1),
  external_reference: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish()
    .transform((value) => snakeCased(value ?? {}) as Record<string, unknown>),
  payer: z.looseObject({ email: z.string().nullish() }).nullish(),
  back_urls: z.looseObject({ success: backUrl, pending: backUrl, failure: backUrl }).nullish(),
  auto_return: z.enum(["approved", "all"]).nullish(),
  notification_url: webAddress.nullish(),
  expires: z.boolean().nullish(),
  expiration_date_from: date.nullish(),
  expiration_date_to: date.nullish(),
  date_of_expiration: date.nullish(),
  binary_mode: z.boolean().nullish(),
  statement_descriptor: z.string().nullish(),
  payment_methods: z.looseObject({ installments: z.int().min(1).max(36).nullish() }).nullish(),
});
type Request = z.infer<typeof Request>;

/** What a buyer is asked to pay. One preference can yield several payments. */
export interface Preference {
  id: string;
  merchant_order_id: number;
  /** The request as it came, its metadata with snake_case keys. */
  request: Request;
  /** In the account's currency, whatever currency the items name. */
  amount: number;
  /** As the API shows it. */
  view: Record<string, unknown>;
}

// The `error` of a field that has none of its own in the reference is the general one.
const ERRORS: Record<string, string> = {
  items: "invalid_items",
  back_urls: "invalid_back_urls",
  auto_return: "invalid_auto_return",
  payment_methods: "invalid_payment_methods",
  expiration_date_from: "invalid_expiration_date_from",
  expiration_date_to: "invalid_expiration_date_to",
  date_of_expiration: "invalid_date",
  binary_mode: "invalid_binary_mode",
};

/**
 * Makes a preference of a request body.
 *
 * @param options.base of the simulator, where the checkout page is.
 * @param options.orderId of its merchant order.
 * @param options.allowLocal lets auto_return go with a success URL that the gateway would refuse.
 * @throws ApiError with the documented code.
 */
export function createPreference(
  body: unknown,
  options: { base: string; orderId: number; allowLocal: boolean },
): Preference {
  const parsed = Request.safeParse(body);
  if (!parsed.success) throw refusal(parsed.error.issues[0]);
  const request = parsed.data;
  checkWindow(request);
  checkReturn(request, options.allowLocal);
  const id = `${COLLECTOR_ID}-${crypto.randomUUID()}`;
  const page = `${options.base}/checkout/pay?pref_id=${id}`;
  const amount = request.items.reduce((sum, item) => sum + item.unit_price * item.quantity, 0);
  return {
    id,
    merchant_order_id: options.orderId,
    request,
    amount: Math.round(amount * 100) / 100,
    view: {
      ...request,
      id,
      init_point: page,
      sandbox_init_point: page,
      client_id: CLIENT_ID,
      collector_id: COLLECTOR_ID,
      date_created: stamp(Date.now()),
      operation_type: "regular_payment",
      site_id: SITE,
    },
  };
}

/** Whether a preference can be paid at a moment. */
export function isOpen({ request }: Preference, at: number): boolean {
  if (request.expires !== true) return true;
  const from = moment(request.expiration_date_from) ?? -Infinity;
  const to = moment(request.expiration_date_to) ?? Infinity;
  return from <= at && at <= to;
}

/** The same value with every key in snake_case: metadata never comes back as it was sent. */
export function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== "object" || value === null) return value;
  const snake = (key: string) =>
    key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/[\s-]+/g, "_").toLowerCase();
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [snake(key), snakeCased(inner)]),
  );
}

function refusal(issue: z.core.$ZodIssue | undefined): ApiError {
  const path = issue?.path.join(".") ?? "";
  const error = ERRORS[String(issue?.path[0])] ?? "bad_request";
  return new ApiError(400, error, `${path || "body"} invalid: ${issue?.message}`);
}

function checkWindow(request: Request): void {
  const from = moment(request.expiration_date_from) ?? -Infinity;
  const to = moment(request.expiration_date_to) ?? Infinity;
  if (from < to) return;
  throw new ApiError(
    400,
    "invalid_expiration_date_to",
    "expiration_date_to invalid: not after from",
  );
}

// The gateway says that the URL is undefined also when it is there, but local or not https.
function checkReturn({ auto_return, back_urls }: Request, allowLocal: boolean): void {
  if (!auto_return) return;
  const success = back_urls?.success ?? "";
  if (success.startsWith("https://") && !isLoopback(success)) return;
  if (success !== "" && allowLocal) return;
  const message = "auto_return invalid. back_url.success must be defined";
  throw new ApiError(400, "invalid_auto_return", message);
}

function isWebAddress(value: string): boolean {
  return /^https?:$/.test(URL.parse(value)?.protocol ?? "");
}

function hasCents(value: number): boolean {
  return Math.abs(value * 100 - Math.round(value * 100)) < 1e-6;
}
