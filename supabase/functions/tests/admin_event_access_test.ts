// Who gets to an event: guests by its key, hosts by its PIN, staff of its tenant and nobody else.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createEvent, createPerson } from "./fixtures.ts";
import { auditOf, callAdmin, createPartner, makeEvent, refusalOf } from "./staff.ts";
import { callFunction, sql, test } from "./stack.ts";

test("an event with a key lets its guests in by the new one only", async () => {
  const partner = await createPartner({ credits: 1 });
  const event = await makeEvent(partner, { config: { access: "key" } });
  await callAdmin(partner, "POST", `events/${event.id}/credits`, { amount: 1 });
  const [old] = await sql`select access_key from public.events where id = ${event.id}`;
  const { body } = await callAdmin(partner, "POST", `events/${event.id}/key`);
  assert.notEqual(body.access_key, old!.access_key);
  const address = new URL(body.guest_url);
  assert.deepEqual([...address.searchParams], [["event", event.event_slug], [
    "k",
    body.access_key,
  ]]);

  const enter = (k: string) =>
    callFunction("cabina-vision/upload-url", {
      content_type: "image/jpeg",
      event_slug: event.event_slug,
      k,
    });
  assert.equal((await enter(old!.access_key)).status, 403);
  assert.equal((await enter(body.access_key)).status, 200);
  assert.deepEqual((await auditOf(event.id)).at(-1)!.after, null, "the log holds no key");
});

test("the host's PIN is set, made and taken away; who entered with the old one is out", async () => {
  const partner = await createPartner();
  const event = await makeEvent(partner);
  const setPin = (body: unknown) => callAdmin(partner, "POST", `events/${event.id}/pin`, body);
  const sessions = async () => {
    const rows = await sql`
      select revoked_at is null as is_open from private.pin_sessions
      where event_id = ${event.id} order by created_at`;
    return rows.map(({ is_open }) => is_open);
  };
  const enter = async (pin: string) =>
    (await sql`select error from public.open_pin_session(${event.event_slug}, ${pin}, ${`2001:db8:${
      crypto.randomUUID().slice(0, 4)
    }::1`})`)[0]!.error;

  const made = await setPin({});
  assert.match(made.body.pin, /^[0-9]{6}$/);
  assert.equal(await enter(made.body.pin), null);
  assert.deepEqual(await sessions(), [true]);

  assert.deepEqual((await setPin({ pin: "12345678" })).body, {
    success: true,
    has_pin: true,
    pin: null,
  });
  assert.deepEqual(await sessions(), [false]);
  assert.equal(await enter("12345678"), null);

  assert.equal((await setPin({ pin: null })).body.has_pin, false);
  assert.equal(await enter("12345678"), "UNAUTHENTICATED");
  assert.deepEqual(refusalOf(await setPin({ pin: "12 456" })), [400, "INVALID_INPUT", "pin"]);
  const log = JSON.stringify(await auditOf(event.id));
  assert.ok(!log.includes("12345678") && !log.includes(made.body.pin), "the log holds no PIN");
});

test("another tenant's event does not exist, and who has no tenant has no events", async () => {
  const [owner, rival, user] = await Promise.all([
    createPartner({ credits: 5 }),
    createPartner(),
    createPerson(),
  ]);
  const host = await createPerson({ role: "client" });
  const event = await makeEvent(owner);
  const own = await createEvent({ credits: 0 });
  await sql`update public.events set partner_id = null where id = ${own.id}`;
  const before = await sql`select * from public.events where id in (${event.id}, ${own.id})`;

  const routes: [string, string, unknown][] = [
    ["GET", "", undefined],
    ["PATCH", "", { event_name: "Mine" }],
    ["PATCH", "", { client_id: null }],
    ["DELETE", "", undefined],
    ["POST", "/credits", { amount: 1 }],
    ["POST", "/transfer", { amount: 1, to_event_id: crypto.randomUUID() }],
    ["POST", "/pin", { pin: "482913" }],
    ["POST", "/key", {}],
    ["POST", "/close", {}],
    ["POST", "/duplicate", {}],
  ];
  for (const [method, path, body] of routes) {
    for (const person of [rival, host, user]) {
      for (const id of [event.id, own.id, crypto.randomUUID()]) {
        const answer = await callAdmin(person, method, `events/${id}${path}`, body);
        assert.deepEqual(
          refusalOf(answer),
          [404, "EVENT_NOT_FOUND", undefined],
          `${method} ${path}`,
        );
      }
    }
    const visitor = await callAdmin(null, method, `events/${event.id}${path}`, body);
    assert.deepEqual(refusalOf(visitor), [401, "UNAUTHENTICATED", undefined], `${method} ${path}`);
  }
  assert.deepEqual(
    await sql`select * from public.events where id in (${event.id}, ${own.id})`,
    before,
  );

  assert.deepEqual((await callAdmin(rival, "GET", "events")).body.events, []);
  for (const person of [host, user]) {
    for (const [method, body] of [["GET", undefined], ["POST", { event_name: "Mine" }]] as const) {
      const answer = await callAdmin(person, method, "events", body);
      assert.deepEqual(refusalOf(answer), [403, "FORBIDDEN", undefined]);
    }
  }
  const foreign = await callAdmin(rival, "GET", `events?partner_id=${owner.partnerId}`);
  assert.deepEqual(refusalOf(foreign), [404, "NOT_FOUND", undefined]);
  const planted = await callAdmin(rival, "POST", "events", {
    event_name: "Theirs",
    partner_id: owner.partnerId,
  });
  assert.deepEqual(refusalOf(planted), [404, "NOT_FOUND", undefined]);

  await sql`update public.partners set is_active = false where id = ${owner.partnerId}`;
  assert.equal((await callAdmin(owner, "GET", `events/${event.id}`)).status, 404);
  assert.equal((await callAdmin(owner, "GET", "events")).status, 403);
});

test("a master does all of it, for any partner and for the platform", async () => {
  const partner = await createPartner({ credits: 5 });
  await withMaster(async ({ id: masterId, token }) => {
    const master = { token: token! };
    const theirs = await callAdmin(master, "POST", "events", {
      event_name: "Theirs",
      partner_id: partner.partnerId,
    });
    assert.equal(theirs.body.event.partner_id, partner.partnerId);
    const own = await callAdmin(master, "POST", "events", { event_name: "Ours" });
    assert.equal(own.body.event.partner_id, null);
    const { id } = own.body.event;
    await callAdmin(master, "POST", `events/${id}/credits`, { amount: 3 });
    const closed = await callAdmin(master, "POST", `events/${id}/close`);
    assert.deepEqual([closed.body.event.phase, closed.body.returned_credits], ["ended", 3]);
    assert.deepEqual(
      (await auditOf(id)).map(({ actor_id, action }) => [actor_id, action]),
      ["create", "allocate_credits", "close"].map((action) => [masterId, action]),
    );

    const list = async (query: string) =>
      (await callAdmin(master, "GET", `events?limit=200${query}`)).body.events
        .map((event: { id: string }) => event.id);
    assert.deepEqual(await list(`&partner_id=${partner.partnerId}`), [theirs.body.event.id]);
    assert.ok((await list("&q=ours")).includes(id));
    const nobody = await callAdmin(master, "GET", `events?partner_id=${crypto.randomUUID()}`);
    assert.deepEqual(refusalOf(nobody), [404, "NOT_FOUND", undefined]);
  });
});
