import assert from "node:assert/strict";
import { type Answer, type Bench, startBench } from "./testing.ts";

Deno.test("a part refunded leaves the payment approved, the rest refunds it", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  const part = await give(bench, id, { amount: 1_000.5 });
  assert.equal(part.status, 201);
  assert.deepEqual([part.body.payment_id, part.body.amount, part.body.status], [
    id,
    1_000.5,
    "approved",
  ]);
  const fields = ["adjustment_amount", "date_created", "id", "metadata", "reason", "refund_mode"];
  for (const field of [...fields, "source", "unique_sequence_number"]) {
    assert.ok(field in part.body, field);
  }
  const half = (await bench.ask("GET", `/v1/payments/${id}`)).body;
  assert.deepEqual([half.status, half.status_detail, half.transaction_amount_refunded], [
    "approved",
    "partially_refunded",
    1_000.5,
  ]);
  const rest = await give(bench, id);
  assert.equal(rest.body.amount, 2_999.5);
  const done = (await bench.ask("GET", `/v1/payments/${id}`)).body;
  assert.deepEqual([done.status, done.transaction_amount_refunded], ["refunded", 4_000]);
  const listed = await bench.ask("GET", `/v1/payments/${id}/refunds`);
  assert.deepEqual(listed.body, [part.body, rest.body]);
  assert.deepEqual(done.refunds, listed.body);
  const received = await bench.arrived(6);
  assert.ok(received.every(({ body }) => [undefined, "payment.updated"].includes(body.action)));
});

Deno.test("the same idempotency key refunds once", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => give(bench, id, { amount: 10 }, "same")),
  );
  for (const { status, body } of answers) {
    assert.deepEqual([status, body], [201, answers[0]?.body]);
  }
  assert.equal((await bench.ask("GET", `/v1/payments/${id}/refunds`)).body.length, 1);
  await refuses(give(bench, id, { amount: 11 }, "same"), 404, 2032);
});

Deno.test("refunds are refused with the documented codes", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  await refuses(bench.ask("POST", `/v1/payments/${id}/refunds`, {}), 400, 4292);
  await refuses(give(bench, 1), 404, 2000);
  await refuses(give(bench, id, { amount: "10" }), 401, 4040);
  for (const amount of [0, -1, 0.001, 4_000.01]) {
    await refuses(give(bench, id, { amount }), 401, 4041);
  }
  await give(bench, id);
  await refuses(give(bench, id), 400, 2063);
  await refuses(give(bench, id, { amount: 1 }), 400, 2063);
  const pending = await bench.pay({ status: "pending" });
  await refuses(give(bench, pending.id), 400, 2063);
  const old = await bench.pay({ date_created: "2020-01-01T00:00:00.000-03:00" });
  await refuses(give(bench, old.id), 404, 2024);
  await bench.control({ refunds: { partial: false } });
  const whole = await bench.pay();
  await refuses(give(bench, whole.id, { amount: 1 }), 400, 3024);
  assert.equal((await give(bench, whole.id)).status, 201);
});

Deno.test("a refund that is not approved moves nothing", async () => {
  await using bench = await startBench();
  for (const status of ["in_process", "rejected"]) {
    await bench.control({ refunds: { status } });
    const { id } = await bench.pay();
    assert.equal((await give(bench, id)).body.status, status);
    const { body } = await bench.ask("GET", `/v1/payments/${id}`);
    assert.deepEqual([body.status, body.transaction_amount_refunded, body.refunds.length], [
      "approved",
      0,
      1,
    ]);
  }
});

function give(bench: Bench, id: number, body?: unknown, key: string = crypto.randomUUID()) {
  return bench.ask("POST", `/v1/payments/${id}/refunds`, body, { "x-idempotency-key": key });
}

async function refuses(asked: Promise<Answer>, status: number, code: number): Promise<void> {
  const answer = await asked;
  assert.deepEqual([answer.status, answer.body.cause?.[0]?.code], [status, code]);
}
