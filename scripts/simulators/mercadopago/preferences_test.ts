import assert from "node:assert/strict";
import { snakeCased } from "./preferences.ts";
import { startBench } from "./testing.ts";

Deno.test("preferences are made on both paths, and only with the access token", async () => {
  await using bench = await startBench();
  const body = { items: [{ title: "Starter", quantity: 1, unit_price: 10.5 }] };
  for (const path of ["/checkout/preferences", "/checkout/preferences/"]) {
    const { status, body: made } = await bench.ask("POST", path, body);
    assert.equal(status, 201);
    assert.match(made.id, new RegExp(`^${made.collector_id}-[0-9a-f-]{36}$`));
    assert.equal(made.init_point, `${bench.url}/checkout/pay?pref_id=${made.id}`);
    assert.equal(made.sandbox_init_point, made.init_point);
    assert.match(made.date_created, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}-03:00$/);
    assert.deepEqual([made.site_id, made.items, made.metadata], ["MLA", body.items, {}]);
    assert.deepEqual((await bench.ask("GET", `/checkout/preferences/${made.id}`)).body, made);
  }
  for (const authorization of ["", "Bearer wrong"]) {
    const refused = await bench.ask("POST", "/checkout/preferences", body, { authorization });
    assert.deepEqual([refused.status, refused.body.error], [401, "invalid_access_token"]);
  }
  const unknown = await bench.ask("GET", "/v1/nothing");
  assert.deepEqual([unknown.status, unknown.body.error], [404, "not_found"]);
});

Deno.test("preferences that are not valid are refused with the documented error", async () => {
  await using bench = await startBench();
  const item = { title: "Starter", quantity: 1, unit_price: 10 };
  const cases: [Record<string, unknown>, string][] = [
    [{ items: [] }, "invalid_items"],
    [{ items: undefined }, "invalid_items"],
    [{ items: [{ ...item, quantity: 0 }] }, "invalid_items"],
    [{ items: [{ ...item, quantity: 1.5 }] }, "invalid_items"],
    [{ items: [{ ...item, unit_price: 0.001 }] }, "invalid_items"],
    [{ items: [{ ...item, title: "" }] }, "invalid_items"],
    [{ back_urls: { success: "shop" } }, "invalid_back_urls"],
    [{ auto_return: "approved" }, "invalid_auto_return"],
    [{ auto_return: "approved", back_urls: { success: "" } }, "invalid_auto_return"],
    [{ payment_methods: { installments: 37 } }, "invalid_payment_methods"],
    [{ expiration_date_from: "tomorrow" }, "invalid_expiration_date_from"],
    [{ expiration_date_to: "2026-01-01" }, "invalid_expiration_date_to"],
    [{
      expiration_date_from: "2026-01-02T00:00:00.000-03:00",
      expiration_date_to: "2026-01-01T00:00:00.000-03:00",
    }, "invalid_expiration_date_to"],
    [{ date_of_expiration: "never" }, "invalid_date"],
    [{ binary_mode: "yes" }, "invalid_binary_mode"],
    [{ notification_url: "/notify" }, "bad_request"],
  ];
  for (const [wrong, error] of cases) {
    const refused = await bench.ask("POST", "/checkout/preferences", { items: [item], ...wrong });
    assert.deepEqual([refused.status, refused.body.error], [400, error], JSON.stringify(wrong));
    assert.deepEqual([refused.body.status, refused.body.cause], [400, []]);
  }
});

Deno.test("auto_return is refused with a local success URL unless that is allowed", async () => {
  await using bench = await startBench();
  const wish = (success: string) => ({
    items: [{ title: "Starter", quantity: 1, unit_price: 10 }],
    auto_return: "approved",
    back_urls: { success },
  });
  const statuses = async () => {
    const urls = ["http://127.0.0.1/ok", "https://localhost/ok", "http://shop.example/ok"];
    const answers = urls.map((url) => bench.ask("POST", "/checkout/preferences", wish(url)));
    return (await Promise.all(answers)).map(({ status, body }) => body.error ?? status);
  };
  assert.deepEqual(await statuses(), [201, 201, 201]);
  await bench.control({ allow_local_back_urls: false });
  assert.deepEqual(await statuses(), Array(3).fill("invalid_auto_return"));
  const good = await bench.ask("POST", "/checkout/preferences", wish("https://shop.example/ok"));
  assert.equal(good.status, 201);
});

Deno.test("the same idempotency key with the same body is the same preference, if so set", async () => {
  await using bench = await startBench();
  const make = async (title: string, key?: string) => {
    const body = { items: [{ title, quantity: 1, unit_price: 10 }] };
    const headers: Record<string, string> = key === undefined ? {} : { "x-idempotency-key": key };
    return (await bench.ask("POST", "/checkout/preferences", body, headers)).body.id;
  };
  const first = await make("Starter", "k1");
  assert.equal(await make("Starter", "k1"), first);
  assert.notEqual(await make("Standard", "k1"), first);
  assert.notEqual(await make("Starter", "k2"), first);
  assert.notEqual(await make("Starter"), await make("Starter"));
  await bench.control({ repeat_preferences: false });
  assert.notEqual(await make("Starter", "k1"), first);
});

Deno.test("snakeCased() renames keys at every depth and leaves values alone", () => {
  const sent = { orderId: "A-b C", user_id: 1, nested: { "Pack-Size": [{ unitPrice: null }] } };
  const shown = { order_id: "A-b C", user_id: 1, nested: { pack_size: [{ unit_price: null }] } };
  assert.deepEqual(snakeCased(sent), shown);
});
