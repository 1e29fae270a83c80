import assert from "node:assert/strict";
import { eventually } from "../kie/testing.ts";
import { resendPause } from "./notifications.ts";
import { type Bench, isSigned, type Received, startBench } from "./testing.ts";

Deno.test("a payment is told as a signed webhook and in the older style, which nobody can verify", async () => {
  await using bench = await startBench();
  const { id, collector_id, order } = await bench.pay({ notify: true });
  const [webhook, ipn, merchantOrder] = await bench.arrived(3);
  assert.ok(webhook && ipn && merchantOrder);
  const query = "shop=1&data.id=" + id + "&type=payment";
  assert.equal(webhook.query.toString(), query);
  assert.ok(isSigned(webhook));
  assert.match(webhook.headers.get("x-signature") ?? "", /^ts=\d{13},v1=[0-9a-f]{64}$/);
  assert.deepEqual([webhook.headers.get("x-retry"), webhook.headers.get("x-socket-timeout")], [
    "0",
    "22000",
  ]);
  const { id: eventId, date_created, ...said } = webhook.body;
  assert.ok(Number.isInteger(eventId) && !Number.isNaN(Date.parse(date_created)));
  assert.deepEqual(said, {
    action: "payment.created",
    api_version: "v1",
    data: { id: String(id) },
    live_mode: false,
    type: "payment",
    user_id: collector_id,
  });

  assert.equal(ipn.query.toString(), `shop=1&topic=payment&id=${id}`);
  assert.deepEqual(ipn.body, { resource: String(id), topic: "payment" });
  assert.ok(ipn.headers.get("x-signature") !== null && !isSigned(ipn));
  assert.deepEqual(merchantOrder.body, {
    resource: `https://api.mercadolibre.com/merchant_orders/${order.id}`,
    topic: "merchant_order",
  });
});

Deno.test("source_news chooses a style, and the control route overrules it", async () => {
  await using bench = await startBench();
  const cases = [
    ["webhooks", "as_asked", ["payment.created"]],
    ["ipn", "as_asked", [undefined, undefined]],
    ["webhooks", "ipn", [undefined, undefined]],
    ["ipn", "webhook", ["payment.created"]],
    ["ipn", "both", ["payment.created", undefined, undefined]],
  ] as const;
  for (const [news, style, actions] of cases) {
    await bench.control({ webhooks: { style } });
    await payHere(bench, { source_news: news });
    await bench.arrived(actions.length);
    await payMarker(bench);
    assert.deepEqual(actionsOf(bench.received.slice(0, -1)), actions, `${news} ${style}`);
    assert.equal(bench.received.at(-1)?.query.get("marker"), "1");
    bench.received.length = 0;
  }
});

Deno.test("webhooks can be off, doubled, delayed and reordered", async () => {
  await using bench = await startBench();
  await bench.control({ webhooks: { off: true } });
  await payHere(bench);
  await bench.control({ webhooks: { style: "webhook", copies: 3 } });
  await payHere(bench);
  const copies = await bench.arrived(3);
  assert.equal(new Set(copies.map(({ body }) => body.id)).size, 1, "one event, none of those off");

  bench.received.length = 0;
  await bench.control({ webhooks: { style: "webhook", delay_ms: 200 } });
  const start = performance.now();
  await payHere(bench);
  await bench.arrived(1);
  assert.ok(performance.now() - start >= 195);

  bench.received.length = 0;
  await bench.control({ webhooks: { style: "webhook", reorder: 2 } });
  const { id } = await payHere(bench, {}, "pending");
  await bench.control({ status: "approved" }, `/payments/${id}`);
  assert.deepEqual(actionsOf(await bench.arrived(2)), ["payment.updated", "payment.created"]);
  await bench.control({ status: "refunded" }, `/payments/${id}`);
  await payMarker(bench);
  assert.equal(bench.received.at(2)?.query.get("marker"), "1", "the third event is held");
  await bench.control({ webhooks: { style: "webhook" } });
  assert.equal((await bench.arrived(4))[3]?.query.get("data.id"), String(id));
});

Deno.test("webhooks can be signed in seconds, long ago, wrongly, not at all, or lack x-request-id", async () => {
  await using bench = await startBench();
  const told = async (habits: Record<string, unknown>): Promise<Received> => {
    bench.received.length = 0;
    await bench.control({ webhooks: { style: "webhook", ...habits } });
    await payHere(bench);
    const [webhook] = await bench.arrived(1);
    assert.ok(webhook);
    return webhook;
  };
  const seconds = await told({ ts: "s" });
  assert.ok(isSigned(seconds));
  assert.match(seconds.headers.get("x-signature") ?? "", /^ts=\d{10},/);
  const old = await told({ ts_age_s: 7_200 });
  const ts = Number(/ts=(\d+)/.exec(old.headers.get("x-signature") ?? "")?.[1]);
  assert.ok(isSigned(old) && Date.now() - ts >= 7_200_000);
  const bare = await told({ request_id: "missing" });
  assert.ok(isSigned(bare) && !bare.headers.has("x-request-id"));
  assert.ok(!isSigned(await told({ signature: "wrong_secret" })));
  assert.ok(!(await told({ signature: "none" })).headers.has("x-signature"));
  const forged = await told({ body_id: "42" });
  assert.ok(isSigned(forged), "the signature does not cover the body");
  assert.equal(forged.body.data.id, "42");
  assert.notEqual(forged.query.get("data.id"), "42");
});

Deno.test("a webhook comes again until it is answered with 200 or 201, a limited number of times", async () => {
  await using bench = await startBench();
  const webhooks = { style: "webhook", resend_scale: 0.00001, tries: 4 };
  await bench.control({ webhooks });
  bench.reply.status = 202;
  const { id } = await payHere(bench);
  const tries = await bench.arrived(4);
  assert.deepEqual(tries.map(({ headers }) => headers.get("x-retry")), ["0", "1", "2", "3"]);
  assert.equal(new Set(tries.map(({ headers }) => headers.get("x-signature"))).size, 1);
  const deliveries = await eventually(async () => {
    const { body } = await bench.ask("GET", `/_deliveries?payment_id=${id}`);
    return body.deliveries.length === 4 ? body.deliveries : undefined;
  });
  assert.deepEqual(
    deliveries.map(({ status, retry }: { status: number; retry: number }) => [status, retry]),
    [[202, 3], [202, 2], [202, 1], [202, 0]],
  );
  bench.reply.status = 201;
  bench.received.length = 0;
  await payHere(bench);
  await bench.arrived(1);
  await payMarker(bench);
  assert.equal(bench.received.length, 2, "an answered one does not come again");
});

// A timer that outlives the simulator fails this test.
Deno.test({
  name: "closing the simulator ends what waits to be sent, and to be sent again",
  sanitizeOps: true,
  sanitizeResources: true,
  fn: async () => {
    await using bench = await startBench();
    bench.reply.status = 500;
    await bench.control({ webhooks: { style: "webhook", resend_scale: 1 } });
    const { id } = await payHere(bench);
    await eventually(async () => {
      const { body } = await bench.ask("GET", `/_deliveries?payment_id=${id}`);
      return body.deliveries.length === 1 ? true : undefined;
    });
    await bench.control({ webhooks: { delay_ms: 600_000 } });
    await payHere(bench);
  },
});

Deno.test("resendPause() is a quarter of an hour at first, and then grows", () => {
  const minutes = [1, 2, 3, 4, 5].map((retry) => resendPause(retry) / 60_000);
  assert.deepEqual(minutes, [15, 15, 30, 60, 120]);
});

Deno.test("a receiver that does not answer in time has not answered", async () => {
  await using bench = await startBench();
  const hung = Promise.withResolvers<Response>();
  const slow = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => hung.promise);
  await bench.control({ webhooks: { deadline_ms: 50 } });
  const notification_url = `http://127.0.0.1:${slow.addr.port}/`;
  const told = await bench.control({ data_id: "1", notification_url }, "/notify");
  assert.equal(told.status, null);
  assert.match(told.error, /timeout/);
  hung.resolve(new Response());
  await slow.shutdown();
});

Deno.test("_control/notify sends one notification now and says what was answered", async () => {
  await using bench = await startBench();
  const { id } = await bench.pay();
  bench.reply.status = 401;
  const refused = await bench.control({ payment_id: id, signature: "wrong_secret" }, "/notify");
  assert.deepEqual([refused.status, refused.body, refused.error], [401, "seen", null]);
  assert.equal(typeof refused.ms, "number");
  assert.equal(bench.received.length, 1, "and not again");

  const ipn = { payment_id: id, style: "ipn", topic: "chargebacks", data_id: "55" };
  await bench.control(ipn, "/notify");
  assert.equal(bench.received[1]?.query.toString(), "shop=1&topic=chargebacks&id=55");

  const event = { payment_id: id, action: "payment.created", event_id: 9 };
  for (let time = 0; time < 2; time += 1) await bench.control(event, "/notify");
  assert.deepEqual(bench.received.slice(2).map(({ body }) => [body.id, body.action]), [
    [9, "payment.created"],
    [9, "payment.created"],
  ]);
  // The panel's button sends whatever id somebody types.
  const typed = { data_id: "123456", notification_url: bench.notificationUrl };
  await bench.control(typed, "/notify");
  assert.ok(bench.received[4] && isSigned(bench.received[4]));
  await assert.rejects(bench.control({ data_id: "1" }, "/notify"), /notification_url/);
  const elsewhere = { data_id: "1", notification_url: "https://shop.example/" };
  const unsent = await bench.control(elsewhere, "/notify");
  assert.equal(unsent.status, null);
  assert.match(unsent.error, /calls nobody else/);
});

/** Pays a preference whose notification URL carries more parameters. */
async function payHere(bench: Bench, more: Record<string, string> = {}, status = "approved") {
  const url = `${bench.notificationUrl}&${new URLSearchParams(more)}`;
  const { id: preference_id } = await bench.prefer({ notification_url: url });
  return await bench.pay({ preference_id, status, notify: true });
}

/** Sends a notification that comes after all that were sent before. */
async function payMarker(bench: Bench): Promise<void> {
  const notification_url = `${bench.notificationUrl}&marker=1`;
  await bench.control({ data_id: "1", notification_url }, "/notify");
}

function actionsOf(received: Received[]): (string | undefined)[] {
  return received.map(({ body }) => body.action);
}
