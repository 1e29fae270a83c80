import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { creditsOf } from "./fixtures.ts";
import {
  createBuyer,
  creditsOfOrder,
  move,
  notify,
  pay,
  reconcile,
  simulate,
  withGateway,
} from "./payments.ts";
import { callFunction, sql, test } from "./stack.ts";

async function countAlerts(kind: string, subject: string): Promise<number> {
  const [row] = await sql`
    select count(*)::int from private.alerts where kind = ${kind} and subject = ${subject}`;
  return row!.count;
}

test("a notification credits its order, however often and in whatever shape it comes", async () => {
  const buyer = await createBuyer();
  const payment = await pay(buyer.preferenceId);
  const shapes = [
    {},
    {},
    { action: "payment.created" },
    { ts: "s" },
    { request_id: "missing" },
    { ts_age_s: 3 * 24 * 3600 },
    { body_id: "42" },
    { style: "ipn" },
  ];
  const answers = await Promise.all(shapes.map((shape) => notify(payment.id, shape)));
  assert.deepEqual(answers.map(({ status }) => status), shapes.map(() => 200));
  assert.equal(await creditsOf(buyer.id), 1000);
  const [row] = await sql`
    select status, credits_added, order_id, data from payment_notifications where mercadopago_id = ${
    String(payment.id)
  }`;
  assert.deepEqual([row!.status, row!.credits_added, row!.order_id], [
    "approved",
    500,
    buyer.orderId,
  ]);
  assert.equal(row!.data.payment.id, payment.id);
});

test("what the gateway did not sign is refused, kept, and changes nothing", async () => {
  const buyer = await createBuyer();
  const payment = await pay(buyer.preferenceId);
  const forgeries = [
    { signature: "none" },
    { signature: "wrong_secret" },
    { ts_age_s: 30 * 24 * 3600 },
  ];
  for (const forgery of forgeries) {
    const { status, body } = await notify(payment.id, forgery);
    assert.equal(status, 401, JSON.stringify({ forgery, body }));
  }
  // A signature that is right, of another payment.
  const other = await pay(buyer.preferenceId, { status: "rejected" });
  const [letter] = (await notify(other.id),
    await sql`
    select headers from private.webhook_inbox
    where resource_id = ${String(other.id)} and is_verified order by id desc limit 1`);
  const stolen = await callFunction(
    `mp-webhook?data.id=${payment.id}&type=payment`,
    { data: { id: String(payment.id) } },
    {
      apikey: null,
      headers: {
        "x-signature": letter!.headers["x-signature"],
        "x-request-id": letter!.headers["x-request-id"],
      },
    },
  );
  assert.deepEqual([stolen.status, stolen.body.error], [401, "UNAUTHENTICATED"]);
  const guessed = createHmac("sha256", "").update(`id:${payment.id};ts:1;`).digest("hex");
  const empty = await callFunction(`mp-webhook?data.id=${payment.id}&type=payment`, {}, {
    apikey: null,
    headers: { "x-signature": `ts=${Date.now()},v1=${guessed}` },
  });
  assert.equal(empty.status, 401);

  assert.equal(await creditsOf(buyer.id), 500);
  const [inbox] = await sql`
    select count(*)::int from private.webhook_inbox where resource_id = ${
    String(payment.id)
  } and not is_verified`;
  assert.equal(inbox!.count, forgeries.length + 2);
});

test("a payment that is not the order's credits nothing, and staff is told", async () => {
  const lies = [
    { transaction_amount: 1 },
    { transaction_amount: 3999.99 },
    { currency_id: "BRL" },
    { collector_id: 42 },
    { live_mode: true },
  ];
  for (const lie of lies) {
    const buyer = await createBuyer();
    const payment = await pay(buyer.preferenceId, lie);
    assert.equal((await notify(payment.id)).status, 200);
    assert.equal(await creditsOf(buyer.id), 500, JSON.stringify(lie));
    assert.equal(await countAlerts("payment_mismatch", String(payment.id)), 1);
  }
});

test("a payment for an order that does not exist is kept and credits nobody", async () => {
  const buyer = await createBuyer();
  for (const external_reference of [crypto.randomUUID(), "invoice 7"]) {
    const payment = await pay(buyer.preferenceId, { external_reference });
    assert.equal((await notify(payment.id)).status, 200);
    const [row] = await sql`
      select order_id from payment_notifications where mercadopago_id = ${String(payment.id)}`;
    assert.equal(row!.order_id, null);
  }
  assert.equal(await creditsOf(buyer.id), 500);
});

test("who pays somebody else's order credits somebody else", async () => {
  const [buyer, friend] = [await createBuyer(), await createBuyer()];
  const payment = await pay(buyer.preferenceId, { external_reference: friend.orderId });
  await notify(payment.id);
  assert.deepEqual([await creditsOf(buyer.id), await creditsOf(friend.id)], [500, 1000]);
});

test("an order that is paid twice is credited twice, and staff is told", async () => {
  const buyer = await createBuyer();
  const payments = [await pay(buyer.preferenceId), await pay(buyer.preferenceId)];
  await Promise.all(payments.flatMap(({ id }) => [notify(id), notify(id)]));
  assert.equal(await creditsOf(buyer.id), 1500);
  assert.equal(await countAlerts("order_paid_twice", buyer.orderId), 1);
});

test("refunds take back their part, a chargeback all, and its reimbursement gives it back", async () => {
  const buyer = await createBuyer();
  const { id } = await pay(buyer.preferenceId);
  const steps = [
    [{}, 500],
    [{ status_detail: "partially_refunded", transaction_amount_refunded: 1000 }, 375],
    [{ transaction_amount_refunded: 1001 }, 374],
    [{ status: "in_mediation" }, 374],
    [{ status: "charged_back", status_detail: "in_process" }, 374],
    [{ status_detail: "settled" }, 0],
    [{ status_detail: "reimbursed" }, 374],
  ] as const;
  for (const [change, credits] of steps) {
    if (Object.keys(change).length > 0) await move(id, change);
    assert.equal((await notify(id)).status, 200);
    assert.equal(await creditsOfOrder(buyer.orderId), credits, JSON.stringify(change));
  }
});

test("a gateway that cannot be asked is a 503 in time; nothing is lost, and reconcile heals", async () => {
  for (const kind of ["stall", "html", "status", "drop", "null"]) {
    const buyer = await createBuyer();
    const payment = await pay(buyer.preferenceId);
    const fault = { kind, on: "payment", ...(kind === "status" && { status: 500 }) };
    await withGateway({ faults: [fault] }, async () => {
      const { status, ms } = await notify(payment.id);
      assert.equal(status, 503, kind);
      assert.ok(ms < 4000, `${kind}: answered after ${ms} ms`);
    });
    assert.equal(await creditsOf(buyer.id), 500);
    await reconcile();
    assert.equal(await creditsOf(buyer.id), 1000, kind);
  }
});

test("a payment that is not found at first is found; one that does not exist is 200", async () => {
  const buyer = await createBuyer();
  await withGateway({ payment_404_first: 2 }, async () => {
    const payment = await pay(buyer.preferenceId);
    assert.equal((await notify(payment.id)).status, 200);
  });
  assert.equal(await creditsOf(buyer.id), 1000);
  const { deliveries: [delivery] } = await simulate("/_deliveries?limit=1", undefined, "GET");
  const panel = await simulate("/_control/notify", {
    data_id: "123456",
    notification_url: delivery.url.replace(/[?&]data\.id=.*$/, ""),
  });
  assert.equal(panel.status, 200);
});

test("reconcile finds what no notification told: a payment, and a later refund", async () => {
  const buyer = await createBuyer();
  const { id } = await pay(buyer.preferenceId);
  const first = await reconcile();
  assert.ok(first.repaired >= 1);
  assert.equal(await creditsOf(buyer.id), 1000);
  await move(id, { status: "refunded", transaction_amount_refunded: 4000 });
  await reconcile();
  assert.equal(await creditsOf(buyer.id), 500);
  assert.equal((await reconcile()).repaired, 0);
});
