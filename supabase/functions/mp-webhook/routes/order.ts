import { z } from "zod";
import { requireUser } from "../../_shared/auth.ts";
import { rpc } from "../../_shared/database.ts";
import { ApiError } from "../../_shared/errors.ts";
import { type AppContext, ok } from "../../_shared/http.ts";
import { describeError, log } from "../../_shared/log.ts";
import { applyPaymentsOfOrder, type Order } from "../payments.ts";

/**
 * `GET /mp-webhook/orders/{id}`: the returning buyer often comes before the gateway's notification, so
 * an open order is looked up there. If the gateway does not answer, the order is still what it was.
 */
export async function getOrder(c: AppContext) {
  const userId = await requireUser(c.req.raw);
  const id = z.uuid().safeParse(c.req.param("id"));
  if (!id.success) throw new ApiError("ORDER_NOT_FOUND");
  const find = () => rpc<Order>("get_order", { p_order_id: id.data, p_user_id: userId });

  let order = await find();
  if (order.status === "pending" && await rpc("claim_order_check", { p_order_id: order.id })) {
    try {
      if (await applyPaymentsOfOrder(order.id) > 0) order = await find();
    } catch (error) {
      log("warn", "order_not_looked_up", {
        order_id: order.id,
        error: describeError(error),
      });
    }
  }
  const { status, credits, amount, currency } = order;
  return ok(c, {
    order_id: order.id,
    status,
    credits,
    amount: Number(amount),
    currency,
  });
}
