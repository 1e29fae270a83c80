// Prices, settings, the log of actions and alerts: a master's.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createEvent, createPerson, finished } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { askOrder, pay, reconcile } from "./payments.ts";
import { auditOf, callAdmin, createPartner, refusalOf } from "./staff.ts";
import { callFunction, sql, test } from "./stack.ts";

test("only a master comes to prices, settings, actions and alerts", async () => {
  const calls: [string, string, unknown?][] = [
    ["GET", "packs"],
    ["POST", "packs", { name: "Free", audience: "user", credits: 1000, price: 0.01 }],
    ["PATCH", `packs/${crypto.randomUUID()}`, { price: 0.01 }],
    ["GET", "settings"],
    ["PATCH", "settings", { signup_bonus: 1000 }],
    ["GET", "audit"],
    ["GET", "alerts"],
    ["PATCH", "alerts/1", { resolved: true }],
  ];
  for (const [method, path, body] of calls) {
    for (const person of [await createPerson(), await createPartner()]) {
      const answer = await callAdmin(person, method, path, body);
      assert.deepEqual(refusalOf(answer).slice(0, 2), [403, "FORBIDDEN"], `${method} ${path}`);
    }
    assert.equal((await callAdmin(null, method, path, body)).status, 401, `${method} ${path}`);
  }
});

test("a price changes for orders to come, not for those that exist", async () => {
  const buyer = await createPerson();
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const name = `Pack ${crypto.randomUUID()}`;
    const draft = { name, audience: "user", credits: 200, price: 1999.99 };
    const { status, body } = await callAdmin(master, "POST", "packs", draft);
    assert.equal(status, 201);
    assert.deepEqual([body.pack.price, body.pack.currency, body.pack.is_active], [
      1999.99,
      "ARS",
      true,
    ]);
    const order = await callFunction("mp-webhook/checkout", { pack_id: body.pack.id }, buyer);
    assert.equal(order.status, 200);

    const path = `packs/${body.pack.id}`;
    const changed = await callAdmin(master, "PATCH", path, {
      price: 2500,
      credits: 100,
      is_active: false,
    });
    assert.deepEqual([changed.body.pack.price, changed.body.pack.name], [2500, name]);
    await pay(order.body.preference_id);
    await reconcile();
    const { body: paid } = await askOrder(order.body.order_id, buyer.token);
    assert.deepEqual([paid.status, paid.amount, paid.credits], ["paid", 1999.99, 200]);
    const closed = await callFunction("mp-webhook/checkout", { pack_id: body.pack.id }, buyer);
    assert.deepEqual(refusalOf(closed).slice(0, 2), [404, "NOT_FOUND"], "off sale");
    const { body: { packs } } = await callAdmin(master, "GET", "packs");
    assert.deepEqual(
      packs.find(({ id }: { id: string }) => id === body.pack.id),
      changed.body.pack,
    );

    for (
      const [bad, field] of [
        [{ price: 0 }, "price"],
        [{ price: 1.001 }, "price"],
        [{ credits: 0 }, "credits"],
        [{ currency: "pesos" }, "currency"],
        [{ audience: "all" }, "audience"],
        [{ id: crypto.randomUUID() }, "id"],
      ] as const
    ) {
      assert.deepEqual(refusalOf(await callAdmin(master, "PATCH", path, bad)), [
        400,
        "INVALID_INPUT",
        field,
      ]);
    }
    const unknown = await callAdmin(master, "PATCH", `packs/${crypto.randomUUID()}`, { price: 1 });
    assert.deepEqual(refusalOf(unknown).slice(0, 2), [404, "NOT_FOUND"]);
    assert.deepEqual((await auditOf(body.pack.id)).map(({ before, after }) => [before, after])[1], [
      { price: 1999.99, credits: 200, is_active: true },
      { price: 2500, credits: 100, is_active: false },
    ]);
  });
});

test("settings change within their bounds, and what they were is noted", async () => {
  await withMaster(async ({ id: masterId, token }) => {
    const master = { token: token! };
    const { body: { settings } } = await callAdmin(master, "GET", "settings");
    const change = (body: Record<string, unknown>) => callAdmin(master, "PATCH", "settings", body);
    try {
      const changed = await change({ referral_reward: settings.referral_reward + 1 });
      assert.equal(changed.body.settings.referral_reward, settings.referral_reward + 1);
      assert.equal(changed.body.settings.signup_bonus, settings.signup_bonus);
      const { body } = await callAdmin(
        master,
        "GET",
        `audit?target=settings&actor_id=${masterId}&limit=1`,
      );
      assert.deepEqual(body.entries[0].before, { referral_reward: settings.referral_reward });
      assert.equal(body.entries[0].request_id, changed.headers.get("x-request-id"));

      for (
        const [bad, field] of [
          [{ signup_bonus: -1 }, "signup_bonus"],
          [{ signup_bonus: 1_000_001 }, "signup_bonus"],
          [{ signup_bonus: 3_000_000_000 }, "signup_bonus"],
          [{ signup_bonus: null }, "signup_bonus"],
          [{ provider_resolution: "8K" }, "provider_resolution"],
          [{ provider_tasks_per_window: 0 }, "provider_tasks_per_window"],
          [{ is_in_maintenance: "yes" }, "is_in_maintenance"],
          [{ is_singleton: false }, "is_singleton"],
        ] as const
      ) {
        assert.deepEqual(refusalOf(await change(bad)), [400, "INVALID_INPUT", field]);
      }

      const atOnce = { pack_unlock_price: 2999, uploads_per_minute: 1201 };
      await Promise.all(
        Object.entries(atOnce).map(([name, value]) => change({ [name]: value })),
      );
      const { body: after } = await callAdmin(master, "GET", "settings");
      assert.deepEqual({ ...after.settings, ...atOnce }, after.settings, "none of two is lost");
    } finally {
      const { referral_reward, pack_unlock_price, uploads_per_minute } = settings;
      await change({ referral_reward, pack_unlock_price, uploads_per_minute });
    }
  });
});

test("the kill switch refuses new photos and lets those begun come to their end", async () => {
  const { slug } = await createEvent();
  const request = await guestRequest(slug);
  await withMaster(async ({ token }) => {
    const set = (is_in_maintenance: boolean) =>
      callAdmin({ token: token! }, "PATCH", "settings", { is_in_maintenance });
    const begun = await callFunction("cabina-vision", await guestRequest(slug));
    assert.equal(begun.status, 202);
    try {
      await set(true);
      const refused = await callFunction("cabina-vision", request);
      assert.deepEqual(refusalOf(refused).slice(0, 2), [503, "MAINTENANCE"]);
      assert.equal((await finished(begun.body.generation_id)).state, "success");
    } finally {
      await set(false);
    }
    assert.equal((await callFunction("cabina-vision", request)).status, 202);
  });
});

test("the log is read by filter and page", async () => {
  await withMaster(async ({ id, token }) => {
    await sql`
      insert into private.audit_log (actor_id, action, target, target_id)
      select ${id!}, 'test', 'thing', n::text from generate_series(1, 7) as n`;
    const read = (query: string) =>
      callAdmin({ token: token! }, "GET", `audit?actor_id=${id}&target=thing&${query}`);
    const first = await read("limit=5");
    const second = await read(`limit=5&cursor=${first.body.next_cursor}`);
    const entries = [...first.body.entries, ...second.body.entries];
    assert.deepEqual(entries.map((entry) => entry.target_id), ["7", "6", "5", "4", "3", "2", "1"]);
    assert.equal(second.body.next_cursor, null);
    const [master] = await sql`select email from public.profiles where id = ${id!}`;
    assert.equal(entries[0].actor_email, master!.email);
    assert.equal((await read("target_id=3")).body.entries.length, 1);
    assert.equal((await read("to=2020-01-01T00:00:00Z")).body.entries.length, 0);
    assert.deepEqual(refusalOf(await read("cursor=x")), [400, "INVALID_INPUT", "cursor"]);
  });
});

test("an alert is settled once, and opened anew when its reason comes again", async () => {
  const subject = crypto.randomUUID();
  const raise = () => sql`select private.raise_alert('test', ${subject}, 'Look at this')`;
  await raise();
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const find = async (isOpen: boolean) => {
      const { body } = await callAdmin(master, "GET", `alerts?is_open=${isOpen}&limit=200`);
      return body.alerts.filter((alert: { subject: string }) => alert.subject === subject);
    };
    const [alert] = await find(true);
    const resolve = () => callAdmin(master, "PATCH", `alerts/${alert.id}`, { resolved: true });
    const settled = await resolve();
    assert.equal(settled.status, 200);
    assert.equal((await resolve()).body.alert.resolved_at, settled.body.alert.resolved_at);
    assert.equal((await auditOf(String(alert.id))).filter((r) => r.target === "alert").length, 1);
    assert.deepEqual([(await find(true)).length, (await find(false)).length], [0, 1]);

    await raise();
    const [again] = await find(true);
    assert.notEqual(again.id, alert.id);
    await callAdmin(master, "PATCH", `alerts/${again.id}`, { resolved: true });
    const unknown = await callAdmin(master, "PATCH", "alerts/999999999999", { resolved: true });
    assert.deepEqual(refusalOf(unknown).slice(0, 2), [404, "NOT_FOUND"]);
  });
});
