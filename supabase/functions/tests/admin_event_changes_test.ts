// How events of a partner change, are copied and deleted, also at once.
import assert from "node:assert/strict";
import { guestRequest } from "./photos.ts";
import { auditOf, callAdmin, createPartner, makeEvent, refusalOf } from "./staff.ts";
import { callFunction, sql, test } from "./stack.ts";

test("a change touches what it names, null clears, settings are merged", async () => {
  const partner = await createPartner();
  const { id, event_slug } = await makeEvent(partner, {
    client_name: "Ana",
    end_date: "2030-11-21",
    config: { welcome_text: "Hi", gallery: "open", limits: { per_guest: 3, per_hour: 9 } },
  });
  const change = async (body: Record<string, unknown>) =>
    (await callAdmin(partner, "PATCH", `events/${id}`, body)).body.event;

  const changed = await change({
    client_name: null,
    end_date: null,
    config: { gallery: null, limits: { per_hour: null, per_address_minute: 5 } },
  });
  assert.deepEqual([changed.client_name, changed.end_date, changed.event_slug], [
    null,
    null,
    event_slug,
  ]);
  assert.deepEqual(changed.config, {
    welcome_text: "Hi",
    limits: { per_guest: 3, per_address_minute: 5 },
  });
  assert.equal((await change({ is_active: false })).phase, "paused");
  assert.equal((await change({ is_active: true })).phase, "sold_out");
  assert.deepEqual(await change({}), (await callAdmin(partner, "GET", `events/${id}`)).body.event);

  const log = await auditOf(id);
  assert.deepEqual(log.map(({ action }) => action), ["create", "update", "update", "update"]);
  assert.equal(log[1]!.actor_id, partner.id);
  assert.equal(log[1]!.before.client_name, "Ana");
  assert.deepEqual(log[2]!.after, { is_active: false, phase: "paused" });
});

test("no change of two at once is lost", async () => {
  const partner = await createPartner();
  const { id } = await makeEvent(partner);
  const changes = [
    { event_name: "Boda" },
    { client_name: "Ana" },
    { client_email: "ana@host.example" },
    { config: { gallery: "open" } },
    { config: { welcome_text: "Hi" } },
    { config: { limits: { per_guest: 1 } } },
    { config: { limits: { per_hour: 2 } } },
    { selected_styles: ["pb_a"] },
  ];
  const answers = await Promise.all(
    changes.map((body) => callAdmin(partner, "PATCH", `events/${id}`, body)),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const { event } = (await callAdmin(partner, "GET", `events/${id}`)).body;
  assert.deepEqual([event.event_name, event.client_name, event.selected_styles], [
    "Boda",
    "Ana",
    ["pb_a"],
  ]);
  assert.deepEqual(event.config, {
    gallery: "open",
    welcome_text: "Hi",
    limits: { per_guest: 1, per_hour: 2 },
  });
  const addresses = (await auditOf(id)).filter(({ after }) => after.client_email !== undefined);
  assert.deepEqual(addresses.at(-1)!.after.client_email, "hidden", "the log holds no address");
});

test("an event that moves to a client that is deactivated meanwhile is paused", async () => {
  const partner = await createPartner();
  const [client] = await sql`
    insert into public.clients (partner_id, name) values (${partner.partnerId}, 'Ana') returning id`;
  const events = await Promise.all([makeEvent(partner), makeEvent(partner), makeEvent(partner)]);
  const answers = await Promise.all([
    callAdmin(partner, "PATCH", `clients/${client!.id}`, { is_active: false }),
    ...events.map(({ id }) =>
      callAdmin(partner, "PATCH", `events/${id}`, { client_id: client!.id })
    ),
  ]);
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const list = await callAdmin(partner, "GET", `events?client_id=${client!.id}&phase=paused`);
  assert.equal(list.body.events.length, 3);
});

test("an event is copied without credits, PIN, key and dates", async () => {
  const partner = await createPartner({ credits: 10 });
  const event = await makeEvent(partner, {
    start_date: "2030-01-01",
    end_date: "2030-01-02",
    selected_styles: ["pb_a"],
    config: { timezone: "America/New_York", access: "key" },
    pin: "482913",
  });
  await callAdmin(partner, "POST", `events/${event.id}/credits`, { amount: 5 });
  const { status, body } = await callAdmin(partner, "POST", `events/${event.id}/duplicate`, {});
  assert.equal(status, 201);
  const copy = body.event;
  assert.notEqual(copy.event_slug, event.event_slug);
  assert.deepEqual(
    [copy.event_name, copy.selected_styles, copy.config, copy.partner_id],
    [event.event_name, event.selected_styles, event.config, event.partner_id],
  );
  assert.deepEqual([copy.credits_allocated, copy.has_pin, copy.start_date, copy.end_date], [
    0,
    false,
    null,
    null,
  ]);
  const [keys] = await sql`
    select count(distinct access_key)::int from public.events where id in (${event.id}, ${copy.id})`;
  assert.equal(keys!.count, 2);

  const dated = await callAdmin(partner, "POST", `events/${event.id}/duplicate`, {
    event_name: "Segunda",
    start_date: "2030-07-01",
  });
  assert.deepEqual([dated.body.event.event_name, dated.body.event.local_start], [
    "Segunda",
    "2030-07-01T00:00:00",
  ]);
  const taken = await callAdmin(partner, "POST", `events/${event.id}/duplicate`, {
    event_slug: event.event_slug,
  });
  assert.deepEqual(refusalOf(taken), [409, "SLUG_TAKEN", "event_slug"]);
});

test("an unused event is deleted with its credits returned, a used one never", async () => {
  const partner = await createPartner({ credits: 10 });
  const { id } = await makeEvent(partner);
  await callAdmin(partner, "POST", `events/${id}/credits`, { amount: 4 });
  const answers = await Promise.all([1, 2].map(() => callAdmin(partner, "DELETE", `events/${id}`)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404]);
  assert.equal((await callAdmin(partner, "GET", "wallet")).body.wallet.credits_left, 10);
  assert.equal((await auditOf(id)).at(-1)!.action, "delete");

  const used = await makeEvent(partner);
  await callAdmin(partner, "POST", `events/${used.id}/credits`, { amount: 1 });
  await callFunction("cabina-vision", await guestRequest(used.event_slug, { wait: 0 }));
  const refused = await callAdmin(partner, "DELETE", `events/${used.id}`);
  assert.deepEqual(refusalOf(refused), [409, "CONFLICT", undefined]);
});
