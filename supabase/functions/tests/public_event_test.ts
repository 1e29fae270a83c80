// What anybody may see of an event: the card, the gallery and the QR code.
import assert from "node:assert/strict";
import QRCode from "qrcode";
import sharp from "sharp";
import { createEvent, createPerson } from "./fixtures.ts";
import { callFunction, eventually, sql, stack, test } from "./stack.ts";

/** A QR code as the library draws it: two that are equal hold the same text. */
function svgOf(text: string): Promise<string> {
  return QRCode.toString(text, { type: "svg", errorCorrectionLevel: "H", margin: 4 });
}

function get(path: string, options: Parameters<typeof callFunction>[2] = {}) {
  return callFunction(`event-admin/events/${path}`, undefined, {
    method: "GET",
    apikey: null,
    ...options,
  });
}

/** Without a front end the local stack is its own. */
const APP_URL = stack.api_url;

test("the card of an event says what guests need, and nothing else", async () => {
  const { slug } = await createEvent({
    columns: {
      config: { welcome_text: "¡Hola!", timezone: "America/New_York" },
      client_email: "secret@host.example",
      start_date: "2020-03-08T05:00:00Z",
    },
  });
  const { status, body, headers } = await get(slug);
  assert.equal(status, 200);
  assert.equal(body.event.phase, "active");
  assert.equal(body.event.local_start, "2020-03-08T00:00:00");
  assert.equal(body.event.branding.welcome_text, "¡Hola!");
  assert.ok(body.event.styles.length > 0);
  assert.equal(headers.get("cache-control"), "public, max-age=15");
  assert.deepEqual(Object.keys(body.event).sort(), [
    ...["access", "branding", "end_date", "event_name", "event_slug", "is_gallery_open", "links"],
    ...["local_end", "local_start", "phase", "start_date", "styles", "timezone"],
  ]);
  const text = JSON.stringify(body);
  for (const secret of ["secret@host.example", "credits", "prompt", "access_key"]) {
    assert.ok(!text.includes(secret), `the card says ${secret}`);
  }
  for (const link of Object.values(body.event.links)) {
    const answer = await fetch(link as string);
    assert.equal(answer.status, 200, `${link}`);
    await answer.body?.cancel();
  }
});

test("a card that has not changed is not sent again", async () => {
  const { id, slug } = await createEvent();
  const etag = (await get(slug)).headers.get("etag")!;
  const again = await get(slug, { headers: { "if-none-match": etag } });
  assert.deepEqual([again.status, again.body], [304, ""]);

  await sql`update public.events set event_name = 'Renamed' where id = ${id}`;
  const changed = await get(slug, { headers: { "if-none-match": etag } });
  assert.equal(changed.status, 200);
  assert.equal(changed.body.event.event_name, "Renamed");
});

test("an event that does not exist has no card, gallery or code", async () => {
  for (const path of ["no-such-event", "no-such-event/gallery", "no-such-event/qr.svg"]) {
    const { status, body } = await get(path);
    assert.deepEqual([status, body.error], [404, "EVENT_NOT_FOUND"], path);
  }
  const { slug } = await createEvent();
  for (
    const [path, field] of [
      [`${slug}?x=1`, "x"],
      [`${slug}?t=no%20label`, "t"],
      [`${slug}/gallery?limit=0`, "limit"],
      [`${slug}/gallery?cursor=WzFd`, "cursor"],
      [`${slug}/qr.png?size=9000`, "size"],
    ]
  ) {
    const { status, body } = await get(path!);
    assert.deepEqual([status, body.error], [400, "INVALID_INPUT"], path);
    assert.deepEqual(body.details.map((detail: { field: string }) => detail.field), [field]);
  }
});

test("the gallery is paged without gaps or repetitions, also while photos come in", async () => {
  const { id, slug } = await createEvent({ columns: { config: { gallery: "open" } } });
  const addPhotos = (from: number, to: number) =>
    sql`
      with photos as (
        insert into public.generations (event_id, style_id, aspect_ratio, status, image_url,
          result_path, expected_seconds, created_at, started_at, succeeded_at)
        select ${id}, 'pb_a', '3:4', 'succeeded', 'https://pictures.example/' || n || '.png',
          'results/' || gen_random_uuid() || '_1.png', 20, moment, moment, moment
        from generate_series(${from}::integer, ${to}::integer) as n,
          -- Two photos each moment: the address decides their order.
          lateral (select timestamptz '2026-01-01' + n / 2 * interval '1 microsecond') as at (moment)
        returning *
      )
      insert into private.gallery_photos (generation_id, event_id, event_slug, style_id, aspect_ratio,
        image_url, created_at, open_until)
      select id, event_id, ${slug}, style_id, aspect_ratio, image_url, created_at, 'infinity'
      from photos`;
  await addPhotos(1, 25);
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const page = await get(`${slug}/gallery?limit=10${cursor && `&cursor=${cursor}`}`);
    assert.equal(page.status, 200);
    seen.push(...page.body.photos.map((photo: { image_url: string }) => photo.image_url));
    cursor = page.body.next_cursor;
    if (seen.length === 10) await addPhotos(26, 30);
  }
  assert.equal(seen.length, 25);
  assert.equal(new Set(seen).size, 25);

  await sql`update public.events set config = '{"gallery": "closed"}' where id = ${id}`;
  assert.deepEqual((await get(`${slug}/gallery`)).body.photos, []);
});

test("the QR code leads guests to the event, and counts the table they sit at", async () => {
  const { id, slug } = await createEvent();
  const plain = await get(`${slug}/qr.svg`);
  assert.equal(plain.headers.get("content-type"), "image/svg+xml");
  assert.equal(plain.body, await svgOf(`${APP_URL}/?event=${slug}`));
  const labelled = await get(`${slug}/qr.svg?t=12`);
  assert.equal(labelled.body, await svgOf(`${APP_URL}/?event=${slug}&t=12`));

  await Promise.all([get(`${slug}?t=12`), get(`${slug}?t=12`), get(`${slug}?t=bar`), get(slug)]);
  await eventually("three scans are counted", async () => {
    const rows = await sql`
      select label, scans from private.table_scans where event_id = ${id} order by label`;
    return JSON.stringify(rows) ===
      JSON.stringify([{ label: "12", scans: 2 }, { label: "bar", scans: 1 }]);
  });
});

test("the QR code as PNG has about the size that was asked for", async () => {
  const { slug } = await createEvent();
  for (const size of [128, 1024, 2048]) {
    const url = `${stack.api_url}/functions/v1/event-admin/events/${slug}/qr.png?size=${size}`;
    const answer = await fetch(url);
    assert.equal(answer.headers.get("content-type"), "image/png");
    const { width, height } = await sharp(await answer.arrayBuffer()).metadata();
    assert.equal(width, height);
    // Squares are whole pixels wide.
    assert.ok(width <= size && width > size - 64, `${width} of ${size}`);
  }
});

test("the event's key is in the code of its own staff and hosts only", async () => {
  const [owner, host, stranger] = await Promise.all([
    createPerson({ role: "partner" }),
    createPerson({ role: "client" }),
    createPerson(),
  ]);
  const [partner] = await sql`
    insert into public.partners (name, user_id) values ('QR partner', ${owner.id}) returning id`;
  const [client] = await sql`
    insert into public.clients (partner_id, name, user_id)
    values (${partner!.id}, 'QR client', ${host.id}) returning id`;
  const { slug, id } = await createEvent({
    columns: { partner_id: partner!.id, client_id: client!.id, config: { access: "key" } },
  });
  const [event] = await sql`select access_key from public.events where id = ${id}`;
  const open = await svgOf(`${APP_URL}/?event=${slug}`);
  const withKey = await svgOf(`${APP_URL}/?event=${slug}&k=${event!.access_key}`);

  for (const { token } of [owner, host]) {
    const answer = await get(`${slug}/qr.svg`, { token });
    assert.equal(answer.body, withKey);
    assert.equal(answer.headers.get("cache-control"), "private, no-store");
  }
  assert.equal((await get(`${slug}/qr.svg`)).body, open);
  assert.equal((await get(`${slug}/qr.svg`, { apikey: stack.publishable_key })).body, open);
  assert.equal((await get(`${slug}/qr.svg`, { token: stranger.token })).body, open);
  for (const options of [{ token: "bad" }, { headers: { "x-host-token": "0".repeat(64) } }]) {
    assert.equal((await get(`${slug}/qr.svg`, options)).status, 401);
  }

  await sql`update public.partners set is_active = false where id = ${partner!.id}`;
  assert.equal((await get(`${slug}/qr.svg`, { token: owner.token })).body, open);
});
