import assert from "node:assert/strict";
import { DETAILS, STATUSES } from "./payments.ts";
import { startBench } from "./testing.ts";

Deno.test("the control route makes payments of every status, and moves them anywhere", async () => {
  await using bench = await startBench();
  const { id: preference_id } = await bench.prefer();
  const payment = await bench.pay({ preference_id, status: "pending" });
  assert.match(String(payment.id), /^\d{12}$/);
  let last = payment.date_last_updated;
  for (const status of STATUSES) {
    const made = await bench.pay({ preference_id, status });
    assert.deepEqual([made.status, made.status_detail], [status, DETAILS[status]]);
    const moved = await bench.control({ status, notify: false }, `/payments/${payment.id}`);
    assert.deepEqual([moved.status, moved.status_detail], [status, DETAILS[status]]);
    assert.ok(moved.date_last_updated > last, "strictly increases");
    last = moved.date_last_updated;
  }
  assert.deepEqual(
    (await bench.ask("GET", `/v1/payments/${payment.id}`)).body.status,
    "charged_back",
  );
  for (const status_detail of ["settled", "reimbursed"]) {
    const moved = await bench.control({ status_detail }, `/payments/${payment.id}`);
    assert.deepEqual([moved.status, moved.status_detail], ["charged_back", status_detail]);
  }
});

Deno.test("the control route makes payments that are not what the preference asked for", async () => {
  await using bench = await startBench();
  const odd = {
    transaction_amount: 1,
    currency_id: "USD",
    collector_id: 7,
    live_mode: true,
    external_reference: null,
  };
  const { id } = await bench.pay(odd);
  const { body } = await bench.ask("GET", `/v1/payments/${id}`);
  for (const [name, value] of Object.entries(odd)) assert.equal(body[name], value, name);
  await assert.rejects(bench.pay({ preference_id: "none" }), /no preference none/);
  await assert.rejects(bench.pay({ status: "paid" }), /status/);
  const stats = await bench.ask("GET", "/_payments?external_reference=order-1");
  assert.deepEqual(stats.body.payments, []);
  assert.equal((await bench.ask("GET", "/_payments?limit=0")).status, 400);
});

Deno.test("refunds keep in step with the refunded amount that a move names", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  const move = async (change: Record<string, unknown>) => {
    const moved = await bench.control({ ...change, notify: false }, `/payments/${id}`);
    const amounts = moved.refunds.map(({ amount }: { amount: number }) => amount);
    return [moved.status, moved.status_detail, moved.transaction_amount_refunded, amounts];
  };
  const part = await move({ transaction_amount_refunded: 1_000 });
  assert.deepEqual(part, ["approved", "partially_refunded", 1_000, [1_000]]);
  const all = await move({ status: "refunded" });
  assert.deepEqual(all, ["refunded", "refunded", 4_000, [1_000, 3_000]]);
  const less = await move({ status: "approved", transaction_amount_refunded: 500 });
  assert.deepEqual(less, ["approved", "partially_refunded", 500, [500]]);
  const none = await move({ status: "approved", transaction_amount_refunded: 0 });
  assert.deepEqual(none, ["approved", "accredited", 0, []]);
});

Deno.test("a payment is looked up by its id and cancelled while it waits", async () => {
  await using bench = await startBench();
  for (const id of ["1", "abc", "999999999999"]) {
    const { status, body } = await bench.ask("GET", `/v1/payments/${id}`);
    assert.deepEqual([status, body.error, body.cause[0].code], [404, "not_found", 2000]);
  }
  const cancel = (id: number, body: unknown = { status: "cancelled" }) =>
    bench.ask("PUT", `/v1/payments/${id}`, body);
  for (const status of ["pending", "in_process"]) {
    const { id } = await bench.pay({ status });
    const { body } = await cancel(id);
    assert.deepEqual([body.status, body.status_detail], ["cancelled", "by_collector"]);
    assert.equal((await cancel(id)).body.cause[0].code, 2063);
  }
  const { id } = await bench.pay();
  assert.deepEqual([(await cancel(id)).status, (await cancel(id, {})).status], [400, 400]);
  const received = await bench.arrived(6);
  const actions = received.map(({ body }) => body.action).filter(Boolean);
  assert.deepEqual(actions, ["payment.updated", "payment.updated"]);
});
