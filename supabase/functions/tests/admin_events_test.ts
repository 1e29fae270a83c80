// Events of a partner: how they come to be, and how they are found.
import assert from "node:assert/strict";
import { callAdmin, createPartner, makeEvent, refusalOf } from "./staff.ts";
import { callFunction, sql, test } from "./stack.ts";

test("a partner creates an event with everything that it can have, and reads it", async () => {
  const partner = await createPartner();
  const [client] = await sql`
    insert into public.clients (partner_id, name) values (${partner.partnerId}, 'Ana') returning id`;
  const name = `Cumpleaños de Ñandú ${crypto.randomUUID().slice(0, 8)}`;
  const config = {
    timezone: "America/New_York",
    gallery: "open",
    moderation: "before",
    access: "key",
    limits: { per_guest: 3, per_hour: 100 },
    welcome_text: "¡Hola!",
    show_welcome_screen: true,
    logo_url: "https://pictures.example/logo.png",
    primary_color: "#12ab9F",
  };
  const event = await makeEvent(partner, {
    event_name: name,
    client_id: client!.id,
    client_name: "Ana",
    client_email: "ana@host.example",
    selected_styles: ["pb_a"],
    start_date: "2030-11-20",
    end_date: "2030-11-21",
    pin: "482913",
    config,
  });
  assert.equal(
    event.event_slug,
    name.toLowerCase().replace("ñ", "n").replace("ñandú", "nandu").replaceAll(" ", "-"),
  );
  assert.deepEqual(
    [event.partner_id, event.client_id, event.start_date, event.end_date, event.local_start],
    [
      partner.partnerId,
      client!.id,
      "2030-11-20T05:00:00+00:00",
      "2030-11-22T05:00:00+00:00",
      "2030-11-20T00:00:00",
    ],
  );
  assert.deepEqual([event.phase, event.has_pin, event.credits_left], ["upcoming", true, 0]);
  assert.deepEqual(event.config, config);
  assert.ok(!("client_access_pin" in event) && !("access_key" in event));

  const read = await callAdmin(partner, "GET", `events/${event.id}`);
  assert.deepEqual(read.body.event, event);
  const session = await callFunction(`event-admin/events/${event.event_slug}`, undefined, {
    method: "GET",
    apikey: null,
  });
  assert.equal(session.body.event.phase, "upcoming");
});

test("names make slugs, and those that are taken get another one", async () => {
  const partner = await createPartner();
  const mark = crypto.randomUUID().slice(0, 8);
  const slugOf = async (event_name: string) =>
    (await makeEvent(partner, { event_name })).event_slug;
  assert.equal(await slugOf(`  ¡Fiesta — ${mark}!  `), `fiesta-${mark}`);
  assert.match(await slugOf(`Fiesta ${mark}`), new RegExp(`^fiesta-${mark}-[0-9a-f]{6}$`));
  assert.match(await slugOf("日本"), /^event(?:-[0-9a-f]{6})?$/);

  const same = Array.from({ length: 6 }, () => slugOf(`Boda ${mark}`));
  assert.equal(new Set(await Promise.all(same)).size, 6, "six at once have six");
});

test("of two events that ask for one slug at once, one gets it", async () => {
  const partner = await createPartner();
  const event_slug = `slug-${crypto.randomUUID().slice(0, 8)}`;
  const answers = await Promise.all(
    [1, 2, 3].map(() => callAdmin(partner, "POST", "events", { event_name: "Fiesta", event_slug })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
  const refused = answers.find(({ status }) => status === 409)!;
  assert.deepEqual(refusalOf(refused), [409, "SLUG_TAKEN", "event_slug"]);

  const { id } = await makeEvent(partner);
  const renamed = await callAdmin(partner, "PATCH", `events/${id}`, { event_slug });
  assert.deepEqual(refusalOf(renamed), [409, "SLUG_TAKEN", "event_slug"]);
});

test("what is no event is refused with the field named", async () => {
  const partner = await createPartner();
  const { id } = await makeEvent(partner, { start_date: "2030-01-10" });
  const rival = await createPartner();
  const [client] = await sql`
    insert into public.clients (partner_id, name) values (${rival.partnerId}, 'Eva') returning id`;
  const cases: [Record<string, unknown>, string, string][] = [
    [{ event_name: " " }, "INVALID_INPUT", "event_name"],
    [{ event_slug: "Not a slug" }, "INVALID_INPUT", "event_slug"],
    [{ event_slug: crypto.randomUUID() }, "INVALID_INPUT", "event_slug"],
    [{ start_date: "tomorrow" }, "INVALID_INPUT", "start_date"],
    [{ end_date: "2026-02-30" }, "INVALID_INPUT", "end_date"],
    [{ start_date: "2030-01-02", end_date: "2030-01-01" }, "INVALID_INPUT", "end_date"],
    [{ selected_styles: ["pb_a", "nothing"] }, "INVALID_INPUT", "selected_styles"],
    [{ client_email: "nobody" }, "INVALID_INPUT", "client_email"],
    [{ client_id: client!.id }, "NOT_FOUND", "client_id"],
    [{ credits_allocated: 1000 }, "INVALID_INPUT", "credits_allocated"],
    [{ access_key: "0".repeat(32) }, "INVALID_INPUT", "access_key"],
    [{ config: { timezone: "America/Atlantis" } }, "INVALID_INPUT", "config.timezone"],
    [{ config: { timezone: "X3" } }, "INVALID_INPUT", "config.timezone"],
    [{ config: { gallery: "always" } }, "INVALID_INPUT", "config.gallery"],
    [{ config: { limits: { per_guest: -1 } } }, "INVALID_INPUT", "config.limits.per_guest"],
    [{ config: { primary_color: "red" } }, "INVALID_INPUT", "config.primary_color"],
    [{ config: { logo_url: "javascript:alert(1)" } }, "INVALID_INPUT", "config.logo_url"],
    [{ config: { surprise: 1 } }, "INVALID_INPUT", "config.surprise"],
  ];
  for (const [body, code, field] of cases) {
    const status = code === "NOT_FOUND" ? 404 : 400;
    const created = await callAdmin(partner, "POST", "events", { event_name: "Fiesta", ...body });
    assert.deepEqual(refusalOf(created), [status, code, field], `create ${JSON.stringify(body)}`);
    const changed = await callAdmin(partner, "PATCH", `events/${id}`, body);
    assert.deepEqual(refusalOf(changed), [status, code, field], `change ${JSON.stringify(body)}`);
  }
  const pin = await callAdmin(partner, "POST", "events", { event_name: "Fiesta", pin: "12345" });
  assert.deepEqual(refusalOf(pin), [400, "INVALID_INPUT", "pin"]);
  const end = await callAdmin(partner, "PATCH", `events/${id}`, { end_date: "2030-01-09" });
  assert.deepEqual(refusalOf(end), [400, "INVALID_INPUT", "end_date"]);
  const start = await callAdmin(partner, "PATCH", `events/${id}`, { end_date: "2030-01-11" });
  assert.equal(start.status, 200);
  const late = await callAdmin(partner, "PATCH", `events/${id}`, { start_date: "2030-01-12" });
  assert.deepEqual(refusalOf(late), [400, "INVALID_INPUT", "start_date"]);
});

test("lists are filtered and paged, the newest first", async () => {
  const partner = await createPartner();
  const names = Array.from({ length: 7 }, (_, n) => `Fiesta_${n}`);
  for (const event_name of names) await makeEvent(partner, { event_name });
  await makeEvent(partner, {
    event_name: "100% Boda",
    is_active: undefined,
    start_date: "2090-01-01",
  });

  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const path = `events?limit=3${cursor && `&cursor=${cursor}`}`;
    const { status, body } = await callAdmin(partner, "GET", path);
    assert.equal(status, 200);
    seen.push(...body.events.map((event: { event_name: string }) => event.event_name));
    cursor = body.next_cursor;
  }
  assert.deepEqual(seen, ["100% Boda", ...names.toReversed()]);

  const found = async (query: string) =>
    (await callAdmin(partner, "GET", `events?${query}`)).body.events
      .map((event: { event_name: string }) => event.event_name);
  assert.deepEqual(await found("q=FIESTA_3"), ["Fiesta_3"]);
  assert.deepEqual(await found("q=boda"), ["100% Boda"]);
  assert.deepEqual(await found(`q=${encodeURIComponent("%")}`), ["100% Boda"], "no wildcard");
  assert.deepEqual(await found("phase=upcoming"), ["100% Boda"]);
  assert.deepEqual(await found("phase=active"), []);
  assert.deepEqual(await found(`client_id=${crypto.randomUUID()}`), []);
  for (const [query, field] of [["phase=over", "phase"], ["limit=0", "limit"], ["x=1", "x"]]) {
    const answer = await callAdmin(partner, "GET", `events?${query}`);
    assert.deepEqual(refusalOf(answer), [400, "INVALID_INPUT", field]);
  }
});
