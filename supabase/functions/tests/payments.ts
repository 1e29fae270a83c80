import assert from "node:assert/strict";
import { createPerson } from "./fixtures.ts";
import { callFunction, sql, stack } from "./stack.ts";

/** What the simulator's control route answered. */
// deno-lint-ignore no-explicit-any -- tests look into answers of any shape
type Simulated = any;

/** Calls the gateway's simulator. */
export async function simulate(path: string, body?: unknown, method = "POST"): Promise<Simulated> {
  const response = await fetch(`${stack.sim_url}/mercadopago${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${path} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** Runs a test while the gateway behaves as told; well again afterwards. */
export async function withGateway(
  settings: Record<string, unknown>,
  body: () => Promise<void>,
): Promise<void> {
  await simulate("/_control", settings);
  try {
    await body();
  } finally {
    await simulate("/_control", undefined, "DELETE");
  }
}

/** The id of a pack of the demo data. */
export async function packId(name: string): Promise<string> {
  const [pack] = await sql`select id from credit_packs where name = ${name}`;
  return pack!.id;
}

/** Somebody with an order for 500 credits at 4,000 ARS, who has yet to pay. */
export async function createBuyer() {
  const person = await createPerson();
  const answer = await checkout(person.token, { pack_id: await packId("Starter") });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return {
    ...person,
    orderId: answer.body.order_id as string,
    preferenceId: answer.body.preference_id as string,
    initPoint: answer.body.init_point as string,
  };
}

export function checkout(token: string | undefined, body: unknown) {
  return callFunction("mp-webhook/checkout", body, token === undefined ? {} : { token });
}

/** Makes a payment of a preference at the gateway, which tells nobody. */
export function pay(preferenceId: string, changes: Record<string, unknown> = {}) {
  return simulate("/_control/payments", {
    preference_id: preferenceId,
    status: "approved",
    notify: false,
    ...changes,
  });
}

/** Changes a payment at the gateway, which tells nobody. */
export function move(paymentId: number | string, changes: Record<string, unknown>) {
  return simulate(`/_control/payments/${paymentId}`, { notify: false, ...changes });
}

/** Has the gateway send one notification; returns what we answered: status, ms, body. */
export function notify(paymentId: number | string, habits: Record<string, unknown> = {}) {
  return simulate("/_control/notify", { payment_id: Number(paymentId), ...habits });
}

/** Looks at everything that no notification told. */
export async function reconcile() {
  // As if a minute had passed since the orders were made.
  await sql`
    update payment_orders set created_at = created_at - interval '2 minutes', checked_at = null where status = 'pending'`;
  const { status, body } = await callFunction("mp-webhook/reconcile", {}, {
    apikey: stack.secret_key,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

/** An order, as its buyer is told. */
export function askOrder(orderId: string, token: string) {
  return callFunction(`mp-webhook/orders/${orderId}`, undefined, { method: "GET", token });
}

/** Credits that an order has brought, by the ledger. */
export async function creditsOfOrder(orderId: string): Promise<number> {
  const [row] = await sql`
    select coalesce(sum(case kind when 'purchase_reversal' then -amount else amount end), 0)::int as credits
    from private.credit_movements
    where order_id = ${orderId} and kind in ('purchase', 'purchase_reversal', 'purchase_reinstatement')`;
  return row!.credits;
}
