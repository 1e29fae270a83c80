import assert from "node:assert/strict";
import { ACCESS_TOKEN, startBench } from "./testing.ts";

const PREFERENCE = { items: [{ title: "Starter", quantity: 1, unit_price: 10 }] };

Deno.test("_control refuses unknown settings, shows those that hold, and resets", async () => {
  await using bench = await startBench();
  for (
    const wrong of [{ latancy_ms: 1 }, { faults: { kind: "explode" } }, { webhooks: { x: 1 } }]
  ) {
    const { status, body } = await bench.ask("POST", "/_control", wrong);
    assert.equal(status, 400);
    assert.match(body.message, /latancy_ms|kind|"x"/);
  }
  await bench.control({ search_lag_ms: 5, webhooks: { copies: 3 }, faults: { kind: "html" } });
  const shown = (await bench.ask("GET", "/_control")).body;
  assert.deepEqual([shown.search_lag_ms, shown.webhooks.copies, shown.faults.length], [5, 3, 1]);
  const without = await bench.control({ faults: null, search_lag_ms: null });
  assert.deepEqual([without.search_lag_ms, without.webhooks.copies, without.faults], [0, 3, []]);
  const healthy = (await bench.ask("DELETE", "/_control")).body;
  assert.deepEqual([healthy.webhooks.copies, healthy.allow_local_back_urls], [1, true]);
});

Deno.test("the next N calls fail with a status, on the route that the fault is for", async () => {
  await using bench = await startBench();
  await bench.control({
    faults: [
      { kind: "status", status: 429, retry_after: 7, next: 1 },
      { kind: "status", status: 500, next: 2, on: "search" },
    ],
  });
  const limited = await bench.ask("POST", "/checkout/preferences", PREFERENCE);
  assert.deepEqual([limited.status, limited.headers.get("retry-after")], [429, "7"]);
  const statuses = [];
  for (let call = 0; call < 3; call += 1) {
    statuses.push((await bench.ask("GET", "/v1/payments/search")).status);
    assert.equal((await bench.ask("POST", "/checkout/preferences", PREFERENCE)).status, 201);
  }
  assert.deepEqual(statuses, [500, 500, 200]);
});

Deno.test("a call can bring a page, null, half an answer, or none", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  const look = (signal?: AbortSignal) =>
    fetch(`${bench.url}/v1/payments/${id}`, {
      headers: { authorization: `Bearer ${ACCESS_TOKEN}` },
      signal: signal ?? null,
    });
  await bench.control({ faults: [{ kind: "html", next: 1 }] });
  const page = await look();
  assert.deepEqual([page.status, (await page.text()).slice(0, 6)], [200, "<html>"]);
  await bench.control({ faults: [{ kind: "null", next: 1 }] });
  assert.equal(await (await look()).json(), null);

  await bench.control({ faults: [{ kind: "stall", next: 1 }] });
  const stop = new AbortController();
  const reader = (await look(stop.signal)).body?.getReader();
  assert.equal(new TextDecoder().decode((await reader?.read())?.value), '{"id":');
  const rest = reader?.read().then(() => "more", () => "cut");
  assert.equal(await Promise.race([rest, bench.control({}).then(() => "stalled")]), "stalled");
  stop.abort();
  assert.equal(await rest, "cut");

  await bench.control({ faults: [{ kind: "drop", on: "payment" }] });
  await assert.rejects(look(), TypeError);
  await bench.control({ faults: [] });
  assert.equal((await (await look()).json()).id, id);
});

Deno.test("an accepted call loses only its answer", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  const refund = (key: string) =>
    bench.ask("POST", `/v1/payments/${id}/refunds`, { amount: 10 }, { "x-idempotency-key": key });
  const refunded = async () =>
    (await bench.ask("GET", `/v1/payments/${id}`)).body.transaction_amount_refunded;
  await bench.control({ faults: { kind: "drop", accepted: true, on: "refunds", next: 1 } });
  await assert.rejects(refund("first"), TypeError);
  assert.equal(await refunded(), 10);
  assert.equal((await refund("first")).status, 201);
  assert.equal(await refunded(), 10);
  await bench.control({ faults: { kind: "status", status: 500, next: 1 } });
  assert.equal((await refund("second")).status, 500);
  assert.equal(await refunded(), 10);
});

Deno.test("answers take their time, and a new payment is unknown for the first looks", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  await bench.control({ latency_ms: 120, payment_404_first: 2 });
  const start = performance.now();
  const first = await bench.ask("GET", `/v1/payments/${id}`);
  assert.ok(performance.now() - start >= 115);
  await bench.control({ latency_ms: 0 });
  const looks = [first];
  for (let look = 0; look < 2; look += 1) looks.push(await bench.ask("GET", `/v1/payments/${id}`));
  assert.deepEqual(looks.map(({ status }) => status), [404, 404, 200]);
  assert.equal(first.body.cause[0].code, 2000);
});
