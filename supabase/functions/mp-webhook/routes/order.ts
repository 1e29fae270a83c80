import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { idParams } from "../../_shared/fields.ts";
import { describeError, log } from "../../_shared/log.ts";
import { route } from "../../_shared/route.ts";
import type { Order } from "../payments.ts";

/**
 * The returning buyer often comes before the gateway's notification, so an open order is looked up
 * there. If the gateway does not answer, the order is still what it was.
 */
export const getOrder = route({
  method: "get",
  path: "/orders/:id",
  credential: "account",
  summary: "What became of an order; looked up at the gateway while it is open.",
  params: idParams,
  invalidParams: "ORDER_NOT_FOUND",
  answer: z.object({
    order_id: z.uuid(),
    status: z.enum(["pending", "paid", "refunded", "cancelled"]),
    credits: z.int(),
    amount: z.number().describe("The price, in units of the currency"),
    currency: z.string(),
  }),
  errors: ["ORDER_NOT_FOUND"],
  async handle({ actor, params }) {
    const find = () => rpc<Order>("get_order", { p_order_id: params.id, p_user_id: actor });

    let order = await find();
    if (order.status === "pending" && await rpc("claim_order_check", { p_order_id: order.id })) {
      try {
        const { applyPaymentsOfOrder } = await import("../payments.ts");
        if (await applyPaymentsOfOrder(order.id) > 0) order = await find();
      } catch (error) {
        log("warn", "order_not_looked_up", {
          order_id: order.id,
          error: describeError(error),
        });
      }
    }
    const { id, status, credits, amount, currency } = order;
    return { order_id: id, status, credits, amount: Number(amount), currency };
  },
});
