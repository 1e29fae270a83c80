// The host's side of an event: who is let in, what they may change, and which photos are shown.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createPerson } from "./fixtures.ts";
import { addPhoto, bucketsOf, callHost, createHostedEvent, enter, type Host, PIN } from "./host.ts";
import { auditOf, createPartner, refusalOf } from "./staff.ts";
import { anonymousClient, callFunction, service, sql, sweep, test } from "./stack.ts";

/** A client of the event's partner who hosts it with an account. */
async function createClient(event: { id: string; partnerId: string }) {
  const person = await createPerson({ role: "client" });
  const [client] = await sql`
    insert into public.clients (partner_id, name, user_id)
    values (${event.partnerId}, 'Host test', ${person.id}) returning id`;
  await sql`update public.events set client_id = ${client!.id} where id = ${event.id}`;
  return { ...person, clientId: client!.id as string };
}

test("the PIN opens a session of twelve hours, which can be left", async () => {
  const { slug, host } = await createHostedEvent();
  const { status, body } = await enter(slug, PIN);
  assert.equal(status, 200);
  const hours = (Date.parse(body.expires_at) - Date.now()) / 3_600_000;
  assert.ok(hours > 11.9 && hours <= 12, `${hours} hours`);

  const session = { pinToken: body.token };
  assert.equal((await callHost(session, "GET", "event")).body.event.event_slug, slug);
  assert.equal((await callHost(session, "DELETE", "session")).status, 200);
  assert.deepEqual(refusalOf(await callHost(session, "GET", "event")).slice(0, 2), [
    401,
    "UNAUTHENTICATED",
  ]);
  assert.equal((await callHost(host, "GET", "event")).status, 200, "another session goes on");
});

test("a wrong PIN, or what cannot be one, opens nothing", async () => {
  const { slug } = await createHostedEvent();
  assert.deepEqual(refusalOf(await enter(slug, "111111")).slice(0, 2), [401, "UNAUTHENTICATED"]);
  for (const pin of ["12345", "123456789", "abcdef", ""]) {
    assert.deepEqual(refusalOf(await enter(slug, pin)), [400, "INVALID_INPUT", "pin"]);
  }
  assert.deepEqual(refusalOf(await enter("no-such-event", PIN)).slice(0, 2), [
    404,
    "EVENT_NOT_FOUND",
  ]);
});

test("hosts, staff and nobody else see the event", async () => {
  const event = await createHostedEvent();
  const other = await createHostedEvent();
  const client = await createClient(event);
  const rival = await createPartner();
  const owner = await createPerson({ role: "partner" });
  await sql`update public.partners set user_id = ${owner.id} where id = ${event.partnerId}`;
  const query = `event?event=${event.slug}`;
  const outcome = async (host: Host, path: string) => {
    const { status, body } = await callHost(host, "GET", path);
    return [status, body.error ?? body.event.event_slug];
  };

  assert.deepEqual(await outcome(event.host, "event"), [200, event.slug]);
  assert.deepEqual(await outcome(event.host, query), [200, event.slug]);
  assert.deepEqual(await outcome(event.host, `event?event=${other.slug}`), [
    404,
    "EVENT_NOT_FOUND",
  ]);
  assert.deepEqual(await outcome(client, "event"), [200, event.slug]);
  assert.deepEqual(await outcome(client, `event?event=${other.slug}`), [404, "EVENT_NOT_FOUND"]);
  assert.deepEqual(await outcome(owner, query), [200, event.slug]);
  assert.deepEqual(await outcome(rival, query), [404, "EVENT_NOT_FOUND"]);
  assert.deepEqual(await outcome(await createPerson(), "event"), [403, "FORBIDDEN"]);
  assert.deepEqual(await outcome({}, "event"), [401, "UNAUTHENTICATED"]);
  assert.deepEqual(await outcome({ pinToken: "f".repeat(64) }, "event"), [401, "UNAUTHENTICATED"]);
  assert.deepEqual(await outcome({ ...event.host, token: "bad" }, "event"), [
    401,
    "UNAUTHENTICATED",
  ]);
  await withMaster(async ({ token }) => {
    assert.deepEqual(await outcome({ token: token! }, query), [200, event.slug]);
  });

  await sql`update public.events set client_id = ${client.clientId}, partner_id = ${event.partnerId}
    where id = ${other.id}`;
  assert.deepEqual(refusalOf(await callHost(client, "GET", "event")), [
    400,
    "INVALID_INPUT",
    "event",
  ]);
  assert.deepEqual(await outcome(client, query), [200, event.slug]);

  await sql`update public.clients set is_active = false where id = ${client.clientId}`;
  assert.deepEqual(await outcome(client, query), [403, "EVENT_PAUSED"]);
  assert.deepEqual(await outcome(event.host, "event"), [403, "EVENT_PAUSED"]);
});

test("a host changes looks, gallery, moderation and styles, and nothing else", async () => {
  const { id, slug, host, ...event } = await createHostedEvent();
  const client = await createClient({ id, ...event });
  await sql`update public.clients set contracted_styles = '{pb_a,pb_b}' where id = ${client.clientId}`;
  const { status, body } = await callHost(host, "PATCH", "event", {
    event_name: "Nuestra fiesta",
    selected_styles: ["pb_a"],
    welcome_text: "¡Bienvenidos!",
    show_welcome_screen: true,
    primary_color: "#112233",
    gallery: "open",
    moderation: "before",
  });
  assert.equal(status, 200);
  const { event_name, selected_styles, gallery, moderation, styles } = body.event;
  assert.deepEqual([event_name, selected_styles, gallery, moderation], [
    "Nuestra fiesta",
    ["pb_a"],
    "open",
    "before",
  ]);
  assert.deepEqual(styles.map((style: { id: string }) => style.id).sort(), ["pb_a", "pb_b"]);
  const text = JSON.stringify(body);
  assert.ok(!text.includes("pin") && !text.includes("access_key") && !text.includes(PIN));
  const card = await callFunction(`event-admin/events/${slug}`, undefined, { method: "GET" });
  assert.equal(card.body.event.branding.welcome_text, "¡Bienvenidos!");

  const cleared = await callHost(host, "PATCH", "event", { welcome_text: null });
  assert.equal(cleared.body.event.welcome_text, null);
  assert.equal(cleared.body.event.primary_color, "#112233", "what is not named stays");

  for (
    const [change, field] of [
      [{ selected_styles: ["jhonw_c"] }, "selected_styles"],
      [{ selected_styles: ["no_such_style"] }, "selected_styles"],
      [{ logo_url: "https://elsewhere.example/logo.png" }, "logo_url"],
      [{ primary_color: "red" }, "primary_color"],
      [{ gallery: "always" }, "gallery"],
      [{ credits_allocated: 1000 }, "credits_allocated"],
      [{ end_date: "2030-01-01" }, "end_date"],
      [{ event_name: " " }, "event_name"],
    ] as const
  ) {
    assert.deepEqual(refusalOf(await callHost(host, "PATCH", "event", change)), [
      400,
      "INVALID_INPUT",
      field,
    ]);
  }
  const actions = await auditOf(id);
  assert.deepEqual(actions.map(({ action }) => action), ["update_as_host", "update_as_host"]);

  await sql`select private.close_event(${id})`;
  assert.equal((await callHost(host, "PATCH", "event", { gallery: "closed" })).status, 200);
  const late = await callHost(host, "PATCH", "event", { selected_styles: [] });
  assert.deepEqual(refusalOf(late).slice(0, 2), [403, "EVENT_ENDED"]);
});

test("a host uploads a logo, and another in its place", async () => {
  const { id, slug, host } = await createHostedEvent();
  for (const color of ["#ff0000", "#0000ff"]) {
    const offer = await callHost(host, "POST", "logo-url", { content_type: "image/png" });
    assert.equal(offer.status, 200);
    assert.equal(offer.body.path, `events/${id}/logo.png`);
    const logo = new TextEncoder().encode(color);
    const { error } = await anonymousClient().storage.from("event_assets")
      .uploadToSignedUrl(offer.body.path, offer.body.token, logo, { contentType: "image/png" });
    assert.equal(error, null);
    const logo_url = `${offer.body.public_url}?v=${color.slice(1)}`;
    const { body } = await callHost(host, "PATCH", "event", { logo_url });
    assert.equal(body.event.branding.logo_url, logo_url);
    assert.equal(await (await fetch(logo_url)).text(), color);
  }
  const other = await createHostedEvent();
  const foreign = service.storage.from("event_assets").getPublicUrl(`events/${id}/logo.png`).data;
  const stolen = await callHost(other.host, "PATCH", "event", { logo_url: foreign.publicUrl });
  assert.deepEqual(refusalOf(stolen), [400, "INVALID_INPUT", "logo_url"]);
  assert.ok(slug !== other.slug);
});

test("photos are listed newest first, by page and by filter", async () => {
  const { id, host } = await createHostedEvent();
  await sql`
    insert into public.generations (event_id, style_id, status, visibility, result_path,
      expected_seconds, created_at, started_at, succeeded_at, failed_at, error_code, deleted_at)
    select ${id}, case n % 2 when 0 then 'pb_a' else 'pb_b' end,
      case n % 5 when 0 then 'failed' else 'succeeded' end, case n % 3 when 0 then 'hidden' else 'pending' end,
      'results/' || gen_random_uuid() || '_1.png', 20, moment, moment,
      case n % 5 when 0 then null else moment end, case n % 5 when 0 then moment end,
      case n % 5 when 0 then 'GENERATION_FAILED' end, case n when 30 then moment end
    from generate_series(1, 30) as n,
      lateral (select timestamptz '2026-01-01' + n / 2 * interval '1 microsecond') as at (moment)`;
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const { body } = await callHost(host, "GET", `photos?limit=7${cursor && `&cursor=${cursor}`}`);
    seen.push(...body.photos.map((photo: { id: string }) => photo.id));
    cursor = body.next_cursor;
  }
  const expected = await sql`
    select id from public.generations where event_id = ${id} and deleted_at is null
    order by created_at desc, id desc`;
  assert.deepEqual(seen, expected.map((row) => row.id));

  const count = async (filter: string) =>
    (await callHost(host, "GET", `photos?limit=200&${filter}`)).body.photos.length;
  assert.equal(await count("visibility=hidden"), 9);
  assert.equal(await count("status=failed"), 5);
  assert.equal(await count("style_id=pb_a&visibility=pending"), 10);
  assert.equal(await count("from=2026-01-01T00:00:00.000010Z"), 10);
  assert.equal(await count("to=2026-01-01T00:00:00.000001Z"), 1);
  for (const [query, field] of [["visibility=all", "visibility"], ["from=today", "from"]]) {
    const refused = await callHost(host, "GET", `photos?${query}`);
    assert.deepEqual(refusalOf(refused), [400, "INVALID_INPUT", field]);
  }
});

test("a hidden photo is gone at once, and comes back when it is shown", async () => {
  const { id, slug, host } = await createHostedEvent();
  const photo = await addPhoto(id);
  const gallery = async () =>
    (await callFunction(`event-admin/events/${slug}/gallery`, undefined, { method: "GET" }))
      .body.photos.map((shown: { image_url: string }) => shown.image_url);
  const answerOf = async (url: string) => {
    const answer = await fetch(url);
    await answer.body?.cancel();
    return answer.status;
  };
  assert.deepEqual(await gallery(), [photo.url]);

  const hidden = await callHost(host, "PATCH", `photos/${photo.id}`, { visibility: "hidden" });
  assert.equal(hidden.status, 200);
  assert.equal(hidden.body.photo.visibility, "hidden");
  assert.deepEqual(await gallery(), []);
  assert.notEqual(await answerOf(photo.url), 200);
  assert.deepEqual(await bucketsOf(photo.path), ["generations_private"]);
  assert.equal(await answerOf(hidden.body.photo.image_url), 200, "its host sees it");
  const [listed] = (await callHost(host, "GET", "photos?visibility=hidden")).body.photos;
  assert.equal(await answerOf(listed.image_url), 200);

  const shown = await callHost(host, "PATCH", `photos/${photo.id}`, { visibility: "visible" });
  assert.equal(shown.body.photo.image_url, photo.url);
  assert.equal(await answerOf(photo.url), 200);
  assert.deepEqual(await gallery(), [photo.url]);
  const again = await callHost(host, "PATCH", `photos/${photo.id}`, { visibility: "visible" });
  assert.equal(again.body.photo.image_url, photo.url);
  assert.deepEqual((await auditOf(photo.id)).map(({ before, after }) => [before, after]), [
    [{ visibility: "visible" }, { visibility: "hidden" }],
    [{ visibility: "hidden" }, { visibility: "visible" }],
  ]);
});

test("a host deletes a photo, file and all, once", async () => {
  const { id, host } = await createHostedEvent();
  for (const visibility of ["visible", "pending"]) {
    const photo = await addPhoto(id, visibility);
    const { status, body } = await callHost(host, "DELETE", `photos/${photo.id}`);
    assert.deepEqual([status, body.deleted], [200, true]);
    assert.deepEqual(await bucketsOf(photo.path), []);
    const again = await callHost(host, "DELETE", `photos/${photo.id}`);
    assert.deepEqual(refusalOf(again).slice(0, 2), [404, "GENERATION_NOT_FOUND"]);
  }
  assert.deepEqual((await callHost(host, "GET", "photos")).body.photos, []);
});

test("another event's photo is not there for a host", async () => {
  const { host } = await createHostedEvent();
  const photo = await addPhoto((await createHostedEvent()).id);
  for (const method of ["PATCH", "DELETE"]) {
    const body = method === "PATCH" ? { visibility: "hidden" } : undefined;
    const refused = await callHost(host, method, `photos/${photo.id}`, body);
    assert.deepEqual(refusalOf(refused).slice(0, 2), [404, "GENERATION_NOT_FOUND"]);
  }
  assert.deepEqual(await bucketsOf(photo.path), ["generations"]);
});

test("two hosts who hide and show at once leave the file where the row says", async () => {
  const { id, host } = await createHostedEvent();
  const photos = await Promise.all(Array.from({ length: 8 }, () => addPhoto(id)));
  await Promise.all(
    photos.flatMap(({ id }) =>
      ["hidden", "visible", "hidden", "visible"].map((visibility) =>
        callHost(host, "PATCH", `photos/${id}`, { visibility })
      )
    ),
  );
  // What somebody else was moving is the sweeper's, once that one's lease is over.
  await sql`update private.file_tasks set run_at = now() where path = any (${
    photos.map((p) => p.path)
  })`;
  await sweep();
  for (const { id, path } of photos) {
    const [row] = await sql`select visibility, image_url from public.generations where id = ${id}`;
    const bucket = row!.visibility === "visible" ? "generations" : "generations_private";
    assert.deepEqual(await bucketsOf(path), [bucket]);
    assert.equal(row!.image_url !== null, row!.visibility === "visible");
  }
});

test("a photo that is hidden while it is made is never public", async () => {
  const { id, host } = await createHostedEvent();
  const [photo] = await sql`
    insert into public.generations (event_id, style_id, result_path, expected_seconds, run_at)
    -- Due so late that nobody begins with it.
    values (${id}, 'pb_a', 'results/' || gen_random_uuid() || '_1.png', 20, now() + interval '1 hour')
    returning id`;
  const { body } = await callHost(host, "PATCH", `photos/${photo!.id}`, { visibility: "hidden" });
  assert.deepEqual([body.photo.status, body.photo.visibility], ["queued", "hidden"]);
  const tasks = await sql`select 1 from private.file_tasks
    join public.generations on generations.result_path = file_tasks.path
    where generations.id = ${photo!.id}`;
  assert.equal(tasks.length, 0);
  await sql`delete from public.generations where id = ${photo!.id}`;
});
