// The numbers of dashboards over HTTP: who sees which, and that they are those of the photos whoever
// rolls up meanwhile. What each figure means is tested in supabase/tests/numbers*.sql.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createEvent, createPerson, finished } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { addPhoto, callHost, createHostedEvent } from "./host.ts";
import { callAdmin, createPartner, makeClient, makeEvent, refusalOf } from "./staff.ts";
import { callFunction, eventually, sql, test } from "./stack.ts";

const get = (person: { token: string } | null, path: string) => callAdmin(person, "GET", path);

test("an event's numbers follow a guest's photo from the scan to the host's decision", async () => {
  const event = await createHostedEvent({ credits: 5 });
  const stats = async () => (await callHost(event.host, "GET", "stats")).body.stats;
  await callFunction(`event-admin/events/${event.slug}?t=12`, undefined, { method: "GET" });
  const { body: begun } = await callFunction("cabina-vision", await guestRequest(event.slug));
  assert.equal((await stats()).photos.made, 1);
  await finished(begun.generation_id);

  const { photos, styles, hours, days, ...after } = await stats();
  assert.deepEqual(
    [photos.succeeded, photos.failed, photos.in_flight, photos.guests, photos.photos_per_guest],
    [1, 0, 0, 1, 1],
  );
  assert.equal(photos.success_rate, 1);
  assert.ok(after.latency.p50_seconds > 0 && after.latency.p95_seconds < 60);
  assert.deepEqual([after.credits_allocated, after.credits_used, after.credits_left], [5, 1, 4]);
  assert.ok(Date.parse(after.runs_out_at) > Date.now());
  assert.deepEqual(styles.map((style: { style_id: string }) => style.style_id), ["pb_a"]);
  assert.deepEqual([sumOf(hours), sumOf(days)], [1, 1]);
  const [table] = await eventually("the scan", async () => {
    const { tables } = await stats();
    return tables.length > 0 && tables;
  });
  assert.deepEqual([table.label, table.scans], ["12", 1]);

  const { id } = await addPhoto(event.id);
  await callHost(event.host, "PATCH", `photos/${id}`, { visibility: "hidden" });
  assert.deepEqual((await stats()).moderation, { visible: 1, pending: 0, hidden: 1, deleted: 0 });
});

function sumOf(entries: { made: number }[]): number {
  return entries.reduce((sum, { made }) => sum + made, 0);
}

test("an event's numbers are for its staff and hosts, and money for its staff", async () => {
  const partner = await createPartner({ credits: 10 });
  const host = await createPerson({ role: "client" });
  const client = await makeClient(partner);
  await sql`update public.clients set user_id = ${host.id} where id = ${client.id}`;
  const event = await makeEvent(partner, { client_id: client.id });
  const other = await createHostedEvent();
  const outcome = async (person: { token: string } | null) =>
    refusalOf(await get(person, `events/${event.id}/stats`)).slice(0, 2);

  const seen = (await get(partner, `events/${event.id}/stats`)).body.stats;
  assert.equal(seen.event_id, event.id);
  assert.equal(seen.money.provider_credits, null);
  const missing = [404, "EVENT_NOT_FOUND"];
  assert.deepEqual(await outcome(await createPartner()), missing);
  assert.deepEqual(await outcome(await createPerson()), missing);
  assert.deepEqual(await outcome(host), missing, "a host is no staff");
  assert.deepEqual(await outcome(null), [401, "UNAUTHENTICATED"]);
  assert.deepEqual(await outcome({ token: "bad" }), [401, "UNAUTHENTICATED"]);
  const unknown = await get(partner, `events/${crypto.randomUUID()}/stats`);
  assert.deepEqual(refusalOf(unknown).slice(0, 2), missing);
  const surplus = await get(partner, `events/${event.id}/stats?days=3`);
  assert.deepEqual(refusalOf(surplus), [400, "INVALID_INPUT", "days"]);

  const query = `stats?event=${event.event_slug}`;
  const { status, body } = await callHost(host, "GET", query);
  assert.deepEqual([status, body.stats.event_id, "money" in body.stats], [200, event.id, false]);
  assert.deepEqual(refusalOf(await callHost(other.host, "GET", query)).slice(0, 2), missing);
  assert.deepEqual(refusalOf(await callHost({}, "GET", query)).slice(0, 2), [
    401,
    "UNAUTHENTICATED",
  ]);
  assert.deepEqual(refusalOf(await callHost(await createPerson(), "GET", "stats")).slice(0, 2), [
    403,
    "FORBIDDEN",
  ]);
});

test("an overview is that of the own partner; a master's is anybody's or everybody's", async () => {
  const partner = await createPartner({ credits: 10 });
  const rival = await createPartner();
  const event = await makeEvent(partner);
  await addPhoto(event.id);
  const outcome = async (person: { token: string } | null, query = "") =>
    refusalOf(await get(person, `overview${query}`));

  const { body } = await get(partner, "overview");
  const { partner_id, photos, days, top_events, wallet, platform, money, events } = body.overview;
  assert.deepEqual([partner_id, platform, photos.succeeded], [partner.partnerId, null, 1]);
  assert.equal(money.provider_currency, null);
  assert.equal(days.length, 30);
  assert.equal(days.at(-1).succeeded, 1);
  assert.equal(top_events[0].event_id, event.id);
  assert.equal(wallet.credits_total, 10);
  assert.equal(events.total, 1);
  const empty = (await get(rival, "overview")).body.overview;
  assert.deepEqual([empty.photos.made, empty.top_events, empty.latency.p50_seconds], [0, [], null]);

  const theirs = `?partner_id=${partner.partnerId}`;
  assert.deepEqual(await outcome(rival, theirs), [404, "NOT_FOUND", undefined]);
  assert.deepEqual(await outcome(await createPerson()), [403, "FORBIDDEN", undefined]);
  assert.deepEqual(await outcome(null), [401, "UNAUTHENTICATED", undefined]);
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const one = (await get(master, `overview${theirs}`)).body.overview;
    assert.deepEqual([one.partner_id, one.photos.succeeded, one.platform], [
      partner.partnerId,
      1,
      null,
    ]);
    const all = (await get(master, "overview?days=1")).body.overview;
    assert.deepEqual([all.partner_id, all.wallet], [null, null]);
    assert.ok(all.photos.succeeded >= 1 && all.platform.users.total >= 1);
    assert.ok(all.platform.credits.partners.granted >= 10 && all.platform.api_keys.active >= 1);
    const nobody = `?partner_id=${crypto.randomUUID()}`;
    assert.deepEqual(await outcome(master, nobody), [404, "NOT_FOUND", undefined]);
  });
  await sql`update public.partners set is_active = false where id = ${partner.partnerId}`;
  assert.deepEqual(await outcome(partner), [403, "FORBIDDEN", undefined], "suspended");
});

test("the span of an overview is what was asked for, or the field is named", async () => {
  const partner = await createPartner();
  const spanOf = async (query: string) => {
    const { from, to, days } = (await get(partner, `overview?${query}`)).body.overview;
    return [from, to, days.length];
  };
  assert.deepEqual(await spanOf("from=2025-03-08&to=2025-03-10&timezone=America/New_York"), [
    "2025-03-08",
    "2025-03-10",
    3,
  ]);
  assert.deepEqual(await spanOf("to=2024-12-31&days=366"), ["2024-01-01", "2024-12-31", 366]);
  const [from, to, days] = await spanOf("days=1&timezone=Pacific/Auckland");
  const today = new Intl.DateTimeFormat("en-CA", { timeZone: "Pacific/Auckland" }).format();
  assert.deepEqual([from, to, days], [today, today, 1]);

  for (
    const [query, field] of [
      ["from=2025-02-30", "from"],
      ["from=2025-03-10&to=2025-03-08", "from"],
      ["from=2024-01-01&to=2025-01-01", "from"],
      ["from=2025-03-08&days=3", "days"],
      ["days=0", "days"],
      ["days=367", "days"],
      ["timezone=Mars/Olympus", "timezone"],
      ["timezone=1", "timezone"],
      ["partner_id=1", "partner_id"],
      ["month=3", "month"],
    ] as const
  ) {
    const answer = await get(partner, `overview?${query}`);
    assert.deepEqual(refusalOf(answer), [400, "INVALID_INPUT", field], query);
  }
});

test("a master names what a credit of the provider costs, and sees margins", async () => {
  const partner = await createPartner({ credits: 10 });
  const event = await makeEvent(partner);
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const { body: { settings: before } } = await get(master, "settings");
    const patch = (body: unknown) => callAdmin(master, "PATCH", "settings", body);
    for (
      const [field, value] of [
        ["provider_credit_price", -1],
        ["provider_credit_currency", "peso"],
        ["provider_credit_currency", "ar"],
      ] as const
    ) {
      assert.deepEqual(refusalOf(await patch({ [field]: value })), [400, "INVALID_INPUT", field]);
    }
    await patch({ provider_credit_price: 7.5, provider_credit_currency: "ARS" });
    const { money } = (await get(master, `events/${event.id}/stats`)).body.stats;
    assert.deepEqual(
      [money.provider_credits, money.provider_cost, money.provider_currency],
      [0, 0, "ARS"],
    );
    const { provider_credit_price, provider_credit_currency } = before;
    const restored = await patch({ provider_credit_price, provider_credit_currency });
    assert.equal(restored.body.settings.provider_credit_price, provider_credit_price);
  });
});

/** Photos begun, as the hourly tables have them and what came since, and as there are. */
async function compareMade(): Promise<[number, number]> {
  const [row] = await sql`
    select (select sum(made)::integer from private.read_photos('-infinity', 'infinity', null)) as counted,
      (select count(*)::integer from public.generations) as there`;
  return [row!.counted, row!.there];
}

test("the sweeper rolls up, and two at once count nothing twice", async () => {
  const event = await createEvent();
  await sql`
    insert into public.generations (event_id, style_id, status, result_path, expected_seconds,
      created_at, started_at, succeeded_at)
    select ${event.id}, 'pb_a', 'succeeded', gen_random_uuid(), 20, moments.at, moments.at, moments.at
    from generate_series(1, 300) as hours (number)
    cross join lateral (select now() - hours.number * interval '1 hour' as at) as moments`;
  await sql`select private.forget_figures()`;
  // Other tests have made photos of long ago: a step is a part of all the time that there is to count.
  const [oldest] = await sql`
    select (now() - least(
      (select min(created_at) from public.generations), (select min(created_at) from private.credit_movements)
    )) / 10 as step`;
  await eventually("the last roll-up", async () => {
    const calls = Array.from(
      { length: 4 },
      () => sql`select roll_up_figures(${oldest!.step}::interval)`,
    );
    const [counted, there] = (await Promise.all([compareMade(), ...calls]))[0];
    assert.equal(counted, there, "while it goes on");
    const [row] = await sql`
      select counted_until > now() - interval '7 minutes' as is_done from private.roll_up`;
    return row!.is_done;
  });
  const [counted, there] = await compareMade();
  assert.equal(counted, there);
  const [stored] = await sql`
    select sum(made)::integer as made from private.hourly_photos where event_id = ${event.id}`;
  assert.equal(stored!.made, 300);

  await sql`select private.forget_figures()`;
  await eventually("a sweep that rolls up", async () => {
    const [row] = await sql`select counted_until > '-infinity' as is_begun from private.roll_up`;
    return row!.is_begun;
  });
});

test("a roll-up that breaks off has counted nothing", async () => {
  await sql`select private.forget_figures()`;
  const broken = sql.begin(async (tx) => {
    await tx`select private.forget_figures()`;
    const [row] = await tx`select roll_up_figures('1 hour') = '1 hour' as is_begun`;
    assert.equal(row!.is_begun, true);
    throw new Error("the process is gone");
  });
  await assert.rejects(broken, /the process is gone/);
  const [counted, there] = await compareMade();
  assert.equal(counted, there);
});
