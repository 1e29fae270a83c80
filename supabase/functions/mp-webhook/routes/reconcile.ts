import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { describeError, log } from "../../_shared/log.ts";
import { route } from "../../_shared/route.ts";
import type { Order } from "../payments.ts";

const ORDERS = 50;
const PAGES = 4;
const PAGE = 50;
const EXPIRED = 200;
const WINDOW_MS = 24 * 3600_000;

export const reconcile = route({
  method: "post",
  path: "/reconcile",
  credential: "service",
  summary: "Repairs what no notification told.",
  description:
    "Looks up open orders and whatever changed at the gateway within a day; bounded, and " +
    "safe to run twice at once.",
  answer: z.object({
    orders: z.int().describe("Open orders looked up"),
    payments: z.int().describe("Payments that had changed"),
    repaired: z.int().describe("Those that moved credits"),
    failed: z.int().describe("Look-ups that failed"),
    cancelled: z.int().describe("Orders that nobody paid in time"),
  }),
  errors: [],
  async handle({ c }) {
    const { applyPaymentsOfOrder } = await import("../payments.ts");
    const counts = {
      orders: 0,
      payments: 0,
      repaired: 0,
      failed: 0,
      cancelled: 0,
    };

    for (const order of await rpc<Order[]>("claim_open_orders", { p_limit: ORDERS })) {
      counts.orders++;
      await attempt(counts, "order", order.id, () => applyPaymentsOfOrder(order.id));
    }
    await attempt(counts, "search", "recent", () => applyRecent(counts));
    counts.cancelled = await rpc<number>("cancel_expired_orders", { p_limit: EXPIRED });

    c.get("line").isRoutine = counts.repaired + counts.failed + counts.cancelled === 0;
    c.get("line").note(counts);
    return counts;
  },
});

/** Applies payments that changed and were not applied in that state. Returns how many moved credits. */
async function applyRecent(counts: { payments: number }): Promise<number> {
  const { applyPayment, findRecentPayments } = await import("../payments.ts");
  let moved = 0;
  const since = new Date(Date.now() - WINDOW_MS);
  for (let page = 0; page < PAGES; page++) {
    const { results } = await findRecentPayments(since, page * PAGE, PAGE);
    const news = new Set(
      await rpc<string[]>("find_unapplied_payments", {
        p_payments: results.map(({ id, date_last_updated }) => ({
          id,
          date_last_updated,
        })),
      }),
    );
    for (const payment of results.filter(({ id }) => news.has(String(id)))) {
      counts.payments++;
      if (await applyPayment(payment)) moved++;
    }
    if (results.length < PAGE) break;
  }
  return moved;
}

/** One thing that the gateway cannot answer must not keep the rest from being repaired. */
async function attempt(
  counts: { repaired: number; failed: number },
  what: string,
  id: string,
  work: () => Promise<number>,
): Promise<void> {
  try {
    counts.repaired += await work();
  } catch (error) {
    counts.failed++;
    log("warn", "reconcile_failed", { what, id, error: describeError(error) });
  }
}
