import assert from "node:assert/strict";
import { createEvent, createPerson, creditsOf } from "./fixtures.ts";
import { askOrder, checkout, createBuyer, packId, pay, withGateway } from "./payments.ts";
import { callFunction, eventually, sql, test } from "./stack.ts";

test("a buyer opens the checkout, approves on the gateway's page and has the credits", async () => {
  const buyer = await createBuyer();
  const page = await fetch(buyer.initPoint);
  assert.match(await page.text(), /Aprobar/);
  const paid = await fetch(buyer.initPoint, {
    method: "POST",
    body: new URLSearchParams({ result: "approved" }),
    redirect: "manual",
  });
  await paid.body?.cancel();
  const back = new URL(paid.headers.get("location")!);
  assert.equal(back.searchParams.get("order"), buyer.orderId);

  await eventually("the credits", async () => await creditsOf(buyer.id) === 1000);
  const { body } = await askOrder(buyer.orderId, buyer.token);
  assert.deepEqual([body.status, body.credits, body.amount, body.currency], [
    "paid",
    500,
    4000,
    "ARS",
  ]);
});

test("a rejected or pending payment credits nothing, and the order stays open", async () => {
  for (const result of ["rejected", "pending"]) {
    const buyer = await createBuyer();
    const paid = await fetch(buyer.initPoint, {
      method: "POST",
      body: new URLSearchParams({ result }),
      redirect: "manual",
    });
    await paid.body?.cancel();
    const { body } = await askOrder(buyer.orderId, buyer.token);
    assert.equal(body.status, "pending", result);
    assert.equal(await creditsOf(buyer.id), 500);
  }
});

test("the returning buyer finds the order paid before any notification came", async () => {
  const buyer = await createBuyer();
  await pay(buyer.preferenceId);
  assert.equal((await askOrder(buyer.orderId, buyer.token)).body.status, "paid");
  assert.equal(await creditsOf(buyer.id), 1000);
});

test("an order is its buyer's alone", async () => {
  const buyer = await createBuyer();
  const stranger = await createPerson();
  for (const id of [buyer.orderId, crypto.randomUUID(), "1"]) {
    const { status, body } = await askOrder(id, stranger.token);
    assert.deepEqual([status, body.error], [404, "ORDER_NOT_FOUND"], id);
  }
});

test("the same idempotency_key gives the same order and page, another request a conflict", async () => {
  const { token } = await createPerson();
  const request = { pack_id: await packId("Standard"), idempotency_key: crypto.randomUUID() };
  const answers = await Promise.all(Array.from({ length: 8 }, () => checkout(token, request)));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(new Set(answers.map(({ body }) => body.order_id)).size, 1);
  assert.equal(new Set(answers.map(({ body }) => body.init_point)).size, 1);
  const other = await checkout(token, { ...request, pack_id: await packId("Starter") });
  assert.deepEqual([other.status, other.body.error], [409, "IDEMPOTENCY_CONFLICT"]);
});

test("a checkout whose answer from the gateway was lost is the same one when asked again", async () => {
  const { token } = await createPerson();
  const request = { pack_id: await packId("Starter"), idempotency_key: crypto.randomUUID() };
  const drop = { kind: "drop", accepted: true, on: "preferences" };
  await withGateway({ faults: [drop] }, async () => {
    const { status, body } = await checkout(token, request);
    assert.deepEqual([status, body.error], [503, "UNAVAILABLE"]);
  });
  const { body } = await checkout(token, request);
  assert.match(body.init_point, /pref_id=/);
  const [orders] = await sql`
    select count(*)::int from payment_orders where idempotency_key = ${request.idempotency_key}`;
  assert.equal(orders!.count, 1);
});

test("the price is the server's, and nobody is sent elsewhere", async () => {
  const { token } = await createPerson();
  const pack_id = await packId("Starter");
  const refused = [
    [{ pack_id, price: 1 }, 400, "INVALID_INPUT", "price"],
    [{ pack_id, credits: 1_000_000 }, 400, "INVALID_INPUT", "credits"],
    [{ pack_id, redirect_url: "https://evil.example/back" }, 400, "INVALID_INPUT", "redirect_url"],
    [{ pack_id, redirect_url: "javascript:alert(1)" }, 400, "INVALID_INPUT", "redirect_url"],
    [{ pack_id: "1" }, 400, "INVALID_INPUT", "pack_id"],
    [{}, 400, "INVALID_INPUT", "pack_id"],
    [{ pack_id, idempotency_key: "short" }, 400, "INVALID_INPUT", "idempotency_key"],
    [{ pack_id: crypto.randomUUID() }, 404, "NOT_FOUND", undefined],
    [{ pack_id: await packId("Partner 5k") }, 403, "FORBIDDEN", undefined],
  ] as const;
  for (const [request, status, code, field] of refused) {
    const answer = await checkout(token, request);
    assert.deepEqual([answer.status, answer.body.error, answer.body.details?.[0].field], [
      status,
      code,
      field,
    ], JSON.stringify(request));
  }
  assert.equal((await checkout(undefined, { pack_id })).status, 401);
});

test("where notifications go is said by the configuration and not by a header", async () => {
  const { token } = await createPerson();
  const headers = { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" };
  const { preference_id } = (await callFunction("mp-webhook/checkout", {
    pack_id: await packId("Starter"),
  }, { token, headers })).body;
  const { notification_url } = await pay(preference_id);
  assert.match(
    notification_url,
    /^http:\/\/127\.0\.0\.1:\d+\/functions\/v1\/mp-webhook\?source_news=webhooks$/,
  );
});

test("a partner's pack credits the partner", async () => {
  const owner = await createPerson({ role: "partner" });
  const { partnerId } = await createEvent({ credits: 0 });
  await sql`update partners set user_id = ${owner.id} where id = ${partnerId}`;
  const order = await checkout(owner.token, { pack_id: await packId("Partner 5k") });
  await pay(order.body.preference_id);
  assert.equal((await askOrder(order.body.order_id, owner.token)).body.status, "paid");
  const [partner] = await sql`select credits_total from partners where id = ${partnerId}`;
  assert.equal(partner!.credits_total, 5000);
  assert.equal(await creditsOf(owner.id), 500);
});
