import assert from "node:assert/strict";
import { type Bench, startBench } from "./testing.ts";

const BACK = {
  success: "http://127.0.0.1/done?order=7",
  failure: "http://127.0.0.1/failed",
  pending: "http://127.0.0.1/waiting",
};

Deno.test("the checkout page shows what is bought, as text, and offers three ends", async () => {
  await using bench = await startBench();
  const items = [{ title: "<b>Starter</b>", quantity: 2, unit_price: 1_250.5 }];
  const { init_point } = await bench.prefer({ items });
  const response = await fetch(init_point);
  const page = await response.text();
  assert.equal(response.status, 200);
  assert.match(page, /&lt;b&gt;Starter/);
  assert.match(page, /2\.501,00/);
  for (const label of ["Aprobar", "Rechazar", "Dejar pendiente"]) assert.ok(page.includes(label));
  assert.ok(!/https?:/.test(page), "nothing from elsewhere");
  const binary = await bench.prefer({ binary_mode: true });
  assert.ok(!(await (await fetch(binary.init_point)).text()).includes("Dejar pendiente"));
  assert.equal((await choose(binary.init_point, "pending")).status, 200);
  const [payment] = await paymentsOf(bench, binary.id);
  assert.deepEqual([payment.status, payment.binary_mode], ["rejected", true]);
});

Deno.test("the page's form makes a payment, notifies, and sends the buyer back", async () => {
  await using bench = await startBench();
  const preference = await bench.prefer({
    back_urls: BACK,
    metadata: { orderId: "o-1" },
    payer: { email: "ana@example.com" },
  });
  const ends = [["rejected", "/failed"], ["pending", "/waiting"], ["approved", "/done"]] as const;
  for (const [result, path] of ends) {
    const { status, location, payment: told } = await choose(preference.init_point, result);
    assert.deepEqual([status, location?.pathname, told?.status], [303, path, result]);
    assert.deepEqual([told?.external_reference, told?.preference_id, told?.collection_status], [
      "order-1",
      preference.id,
      result,
    ]);
    assert.equal(told?.collection_id, told?.payment_id);
    if (result === "approved") assert.equal(location?.searchParams.get("order"), "7");
    const { body } = await bench.ask("GET", `/v1/payments/${told?.payment_id}`);
    assert.deepEqual([body.status, body.transaction_amount, body.currency_id], [
      result,
      4_000,
      "ARS",
    ]);
    assert.deepEqual([body.metadata, body.order.id], [
      { order_id: "o-1" },
      told?.merchant_order_id,
    ]);
    assert.equal(body.payer.email, "ana@example.com");
    assert.equal(body.date_approved !== null, result === "approved");
  }
  assert.equal((await paymentsOf(bench, preference.id)).length, 3, "a preference is paid thrice");
  const received = await bench.arrived(9);
  const webhooks = received.filter(({ query }) => query.get("type") === "payment");
  assert.deepEqual(webhooks.map(({ body }) => body.action), Array(3).fill("payment.created"));
});

Deno.test("the page ends by itself where there is no back URL, no choice, or no preference", async () => {
  await using bench = await startBench();
  const { init_point } = await bench.prefer();
  const plain = await choose(init_point, "approved");
  assert.deepEqual([plain.status, plain.location], [200, undefined]);
  assert.match(plain.page, /Pago \d{12}: approved/);
  assert.equal((await choose(init_point, "stolen")).status, 400);
  assert.equal((await choose(`${bench.url}/checkout/pay?pref_id=none`, "approved")).status, 404);
  const lookUp = await fetch(`${bench.url}/checkout/pay`);
  assert.equal(lookUp.status, 404);
  await lookUp.body?.cancel();
});

Deno.test("a preference outside of its window cannot be paid", async () => {
  await using bench = await startBench();
  const past = { expiration_date_to: "2020-01-01T00:00:00.000-03:00" };
  const future = { expiration_date_from: "2999-01-01T00:00:00.000-03:00" };
  for (const dates of [past, future]) {
    const expired = await bench.prefer({ expires: true, ...dates });
    const page = await fetch(expired.init_point);
    assert.equal(page.status, 410);
    assert.match(await page.text(), /venció/);
    assert.equal((await choose(expired.init_point, "approved")).status, 410);
    assert.deepEqual(await paymentsOf(bench, expired.id), []);
  }
  const ignored = await bench.prefer({ expires: false, ...past });
  assert.equal((await choose(ignored.init_point, "approved")).status, 200);
});

async function choose(initPoint: string, result: string) {
  const response = await fetch(initPoint, {
    method: "POST",
    body: new URLSearchParams({ result }),
    redirect: "manual",
  });
  const page = await response.text();
  const location = URL.parse(response.headers.get("location") ?? "") ?? undefined;
  const payment = location && Object.fromEntries(location.searchParams);
  return { status: response.status, page, location, payment };
}

async function paymentsOf(bench: Bench, preferenceId: string) {
  return (await bench.ask("GET", `/_payments?preference_id=${preferenceId}`)).body.payments;
}
