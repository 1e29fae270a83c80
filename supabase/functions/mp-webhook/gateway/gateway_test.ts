import assert from "node:assert/strict";
import { ApiError } from "../../_shared/errors.ts";
import { findPaymentsOfOrder, getPayment } from "./payments.ts";
import { createPreference } from "./preferences.ts";

const payment = {
  id: 4711,
  status: "approved",
  external_reference: "order-1",
  transaction_amount: 4000,
  currency_id: "ARS",
  collector_id: 99,
  live_mode: false,
  date_last_updated: "2026-05-25T13:01:08.000-03:00",
};

/** Runs a test against a gateway that answers as `handler` does. */
async function withGateway(
  handler: (count: number) => Response,
  body: () => Promise<void>,
): Promise<{ url: string; headers: Headers; body: string }[]> {
  const requests: { url: string; headers: Headers; body: string }[] = [];
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
  const server = Deno.serve(options, async (request) => {
    requests.push({ url: request.url, headers: request.headers, body: await request.text() });
    return handler(requests.length);
  });
  Deno.env.set(
    "MP_API_URL",
    `http://127.0.0.1:${server.addr.port}/mercadopago/`,
  );
  Deno.env.set("MP_ACCESS_TOKEN", "APP_USR-test");
  try {
    await body();
  } finally {
    await server.shutdown();
  }
  return requests;
}

function test(name: string, fn: () => Promise<void>): void {
  // The package leaves an answer that it gave up on to itself.
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

async function isUnavailable(work: Promise<unknown>): Promise<void> {
  await assert.rejects(
    work,
    (error) => error instanceof ApiError && error.code === "UNAVAILABLE",
  );
}

test("getPayment() asks with the token and keeps fields that it does not know", async () => {
  const requests = await withGateway(
    () => Response.json({ ...payment, payer: { email: "x@y.example" } }),
    async () => {
      const found = await getPayment("4711");
      assert.equal(found?.status, "approved");
      assert.deepEqual(found?.payer, { email: "x@y.example" });
    },
  );
  assert.equal(
    new URL(requests[0]!.url).pathname,
    "/mercadopago/v1/payments/4711",
  );
  assert.equal(
    requests[0]!.headers.get("authorization"),
    "Bearer APP_USR-test",
  );
});

test("getPayment() returns null for an unknown payment", async () => {
  const missing = {
    message: "Payment not found",
    error: "not_found",
    status: 404,
    cause: [],
  };
  await withGateway(() => Response.json(missing, { status: 404 }), async () => {
    assert.equal(await getPayment("1"), null);
  });
});

test("getPayment() asks once more after a 500 and then gives up", async () => {
  const requests = await withGateway(
    (count) => count === 1 ? new Response("", { status: 500 }) : Response.json(payment),
    async () => assert.equal((await getPayment("4711"))?.id, 4711),
  );
  assert.equal(requests.length, 2);
  const failed = await withGateway(
    () => new Response("", { status: 500 }),
    () => isUnavailable(getPayment("4711")),
  );
  assert.equal(failed.length, 2);
});

test("a page of HTML, null, nonsense or a payment without a date is no answer", async () => {
  const answers = [
    "<html>maintenance</html>",
    "null",
    "{",
    JSON.stringify({ id: 4711 }),
    "[]",
  ];
  for (const answer of answers) {
    await withGateway(
      () =>
        new Response(answer, {
          headers: { "content-type": "application/json" },
        }),
      () => isUnavailable(getPayment("4711")),
    );
  }
});

test("a body that stalls ends the wait after three seconds", async () => {
  const stall = Promise.withResolvers<void>();
  const stalled = () =>
    new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode('{"id": 4711,'));
          await stall.promise;
          controller.close();
        },
      }),
    );
  const started = performance.now();
  await withGateway(stalled, async () => {
    await isUnavailable(getPayment("4711"));
    stall.resolve();
  });
  assert.ok(performance.now() - started < 4000);
});

test("createPreference() sends the order's own key each time, and the key of no other order", async () => {
  const answer = {
    id: "99-abc",
    init_point: "https://pay.example/1",
    collector_id: 99,
  };
  const request = (idempotencyKey: string) => ({
    orderId: "order-1",
    title: "Starter · 500 créditos",
    amount: 4000,
    currency: "ARS",
    idempotencyKey,
    notificationUrl: "https://api.example/functions/v1/mp-webhook?source_news=webhooks",
    returnUrl: "http://127.0.0.1/back",
    expiresAt: new Date("2026-11-30T00:00:00Z"),
  });
  const requests = await withGateway(
    () => Response.json(answer, { status: 201 }),
    async () => {
      assert.equal(
        (await createPreference(request("key-1"))).collector_id,
        "99",
      );
      await createPreference(request("key-2"));
      await createPreference(request("key-1"));
    },
  );
  assert.deepEqual(
    requests.map(({ headers }) => headers.get("x-idempotency-key")),
    ["key-1", "key-2", "key-1"],
  );
  const body = JSON.parse(requests[0]!.body);
  assert.equal(body.external_reference, "order-1");
  assert.equal(body.expiration_date_to, "2026-11-30T00:00:00.000+00:00");
  assert.equal(
    body.auto_return,
    undefined,
    "the gateway refuses it without an https address",
  );
});

test("findPaymentsOfOrder() believes only payments of that order", async () => {
  const results = [payment, {
    ...payment,
    id: 4712,
    external_reference: "order-2",
  }];
  await withGateway(
    () => Response.json({ paging: { total: 2 }, results }),
    async () => {
      assert.deepEqual(
        (await findPaymentsOfOrder("order-1")).map(({ id }) => id),
        [4711],
      );
    },
  );
});
