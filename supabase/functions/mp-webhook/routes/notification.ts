import { z } from "zod";
import { requireEnv } from "../../_shared/env.ts";
import { rpc } from "../../_shared/database.ts";
import { ApiError } from "../../_shared/errors.ts";
import type { AppContext } from "../../_shared/http.ts";
import { describeError } from "../../_shared/log.ts";
import { route } from "../../_shared/route.ts";
import type { Payment } from "../gateway/payments.ts";
import { isSigned } from "../signature.ts";

const MAX_BYTES = 64 * 1024;
/** The gateway's oldest pages promise to wait five seconds on a repetition. */
const ANSWER_WITHIN_MS = 3900;
/** A new payment may not be found at once. */
const FIND_AGAIN_AFTER_MS = [250, 750];
const KEPT_HEADERS = ["x-signature", "x-request-id", "x-retry", "user-agent"];

/** A notification, reduced to what is believed of it: that we should look at something. */
interface Notification {
  isVerified: boolean;
  topic: string | undefined;
  resourceId: string | undefined;
  body: unknown;
}

/**
 * Kept first, then the payment is fetched, applied, and only then answered: an answer other than 200
 * makes the gateway come again. Whatever the notification says beyond the id counts for nothing.
 */
export const receiveNotification = route({
  method: "post",
  path: "/",
  credential: "anyone",
  summary: "The gateway says that something happened to a payment.",
  description:
    "Signed in `x-signature`, as the gateway documents. The body may be anything and is only " +
    "kept. Answered once the payment is applied.",
  query: z.looseObject({
    "data.id": z.string().optional().describe("The payment, in notifications of the new style"),
    type: z.string().optional(),
    id: z.string().optional().describe("The payment, in those of the old style"),
    topic: z.string().optional(),
  }),
  answer: z.object({}),
  errors: ["UNAUTHENTICATED"],
  async handle({ c }) {
    const notification = await read(c);
    const inboxId = await rpc<number | null>("receive_notification", {
      p_is_verified: notification.isVerified,
      p_topic: notification.topic ?? null,
      p_resource_id: notification.resourceId ?? null,
      p_headers: Object.fromEntries(
        KEPT_HEADERS.map((name) => [name, c.req.header(name) ?? null]),
      ),
      p_body: notification.body ?? null,
    });
    // Too many that nobody can verify: what they hint at, reconcile finds.
    if (inboxId === null) return {};
    if (!notification.isVerified && isSignable(c)) throw new ApiError("UNAUTHENTICATED");

    const work = follow(notification, inboxId);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new ApiError("UNAVAILABLE")),
      ANSWER_WITHIN_MS,
    );
    await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
    return {};
  },
});

/** New-style notifications name their payment by data.id and are signed; the old style never verifiably is. */
function isSignable(c: AppContext): boolean {
  return c.req.query("data.id") !== undefined ||
    c.req.query("topic") === undefined;
}

async function read(c: AppContext): Promise<Notification> {
  const dataId = c.req.query("data.id");
  const body = await readBody(c.req.raw);
  const isVerified = isSignable(c) && isSigned({
    xSignature: c.req.header("x-signature"),
    xRequestId: c.req.header("x-request-id"),
    dataId,
  }, requireEnv("MP_WEBHOOK_SECRET"));
  return {
    isVerified,
    topic: c.req.query("type") ?? c.req.query("topic"),
    resourceId: dataId ?? c.req.query("id"),
    body,
  };
}

/** The body decides nothing, so one that is broken or too large is simply not kept. */
async function readBody(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) return null;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(
      await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text(),
    );
  } catch {
    return null;
  }
}

/** Looks at the payment that a notification is about. @throws {ApiError} UNAVAILABLE */
async function follow(
  notification: Notification,
  inboxId: number,
): Promise<void> {
  try {
    const { applyPayment } = await import("../payments.ts");
    const payment = isAboutPayment(notification) ? await find(notification.resourceId!) : null;
    if (payment !== null) await applyPayment(payment, inboxId);
    else await rpc("finish_notification", { p_inbox_id: inboxId });
  } catch (error) {
    await rpc("finish_notification", {
      p_inbox_id: inboxId,
      p_error: describeError(error),
    })
      .catch(() => undefined);
    throw error;
  }
}

function isAboutPayment({ topic, resourceId }: Notification): boolean {
  return topic === "payment" && /^\d{1,20}$/.test(resourceId ?? "");
}

/** Null for an id that the gateway does not know: its panel's test button sends any. */
async function find(id: string): Promise<Payment | null> {
  const { getPayment } = await import("../payments.ts");
  for (const delay of FIND_AGAIN_AFTER_MS) {
    const payment = await getPayment(id);
    if (payment !== null) return payment;
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
  return await getPayment(id);
}
