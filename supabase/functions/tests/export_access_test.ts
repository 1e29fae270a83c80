// Who may export an event: its hosts and staff, and who holds a ticket of theirs.
import assert from "node:assert/strict";
import { addExported, fetchPart, makePng, openPart, refusalIn } from "./export_fixtures.ts";
import { createPerson } from "./fixtures.ts";
import { callHost, createHostedEvent, enter, type Host, PIN } from "./host.ts";
import { auditOf, createPartner, refusalOf } from "./staff.ts";
import { callFunction, sql, test } from "./stack.ts";

const picture = await makePng(40);

test("the export is for hosts and staff of the event", async () => {
  const event = await createHostedEvent();
  await addExported(event.id, picture);
  const rival = await createHostedEvent();
  const owner = await createPerson({ role: "partner" });
  await sql`update public.partners set user_id = ${owner.id} where id = ${event.partnerId}`;
  const hosted = `event=${event.slug}&part=1`;

  for (
    const [host, expected] of [
      [rival.host, [404, "EVENT_NOT_FOUND"]],
      [await createPartner(), [404, "EVENT_NOT_FOUND"]],
      [await createPerson(), [404, "EVENT_NOT_FOUND"]],
      [{}, [401, "UNAUTHENTICATED"]],
      [{ pinToken: "0".repeat(64) }, [401, "UNAUTHENTICATED"]],
      [{ pinToken: "short" }, [401, "UNAUTHENTICATED"]],
    ] as [Host, unknown][]
  ) {
    assert.deepEqual(await refusalIn(await fetchPart(host, hosted)), expected);
    const { token, pinToken } = host;
    for (const [method, path] of [["GET", "export"], ["POST", "tickets"]] as const) {
      const answer = await callHost({ ...host }, method, `${path}?event=${event.slug}`);
      assert.deepEqual(refusalOf(answer).slice(0, 2), expected, `${path} ${token} ${pinToken}`);
    }
  }
  const stranger = await createPerson();
  assert.deepEqual(await refusalIn(await fetchPart(stranger, "part=1")), [403, "FORBIDDEN"]);
  assert.equal((await openPart(await fetchPart(owner, hosted))).files.length, 1);
  assert.equal((await callHost(owner, "GET", `export?event=${event.slug}`)).body.photos, 1);
});

test("parts that do not exist are not found, and what is no part is refused by name", async () => {
  const { id, host } = await createHostedEvent();
  assert.deepEqual((await callHost(host, "GET", "export")).body.parts, []);
  assert.deepEqual(await refusalIn(await fetchPart(host, "part=1")), [404, "NOT_FOUND"]);
  const { id: photo } = await addExported(id, picture);
  assert.deepEqual(await refusalIn(await fetchPart(host, "part=2")), [404, "NOT_FOUND"]);
  await callHost(host, "PATCH", `photos/${photo}`, { visibility: "hidden" });
  assert.deepEqual((await openPart(await fetchPart(host, "part=1"))).files, []);

  for (
    const [query, field] of [
      ["", "part"],
      ["part=0", "part"],
      ["part=1.5", "part"],
      ["part=1&visibility=hidden", "visibility"],
      ["part=1&event=No%20slug", "event"],
      ["part=1&page=2", "page"],
    ]
  ) {
    const { error, details } = await (await fetchPart(host, query!)).json();
    assert.deepEqual([error, details[0].field], ["INVALID_INPUT", field], query);
  }
});

test("a ticket opens the downloads of its event, and nothing else", async () => {
  const { id, slug, host } = await createHostedEvent();
  const rival = await createHostedEvent();
  await addExported(id, picture);
  const { status, body } = await callHost(host, "POST", "tickets");
  assert.equal(status, 200);
  const seconds = (Date.parse(body.expires_at) - Date.now()) / 1000;
  assert.ok(seconds > 290 && seconds <= 300, `${seconds} s`);
  const ticket = `ticket=${body.ticket}`;

  // A browser sends nothing but the address.
  const listed = await callFunction(`event-admin/host/export?${ticket}`, undefined, {
    method: "GET",
    apikey: null,
  });
  const link = await fetch(listed.body.parts[0].url);
  assert.equal((await openPart(link)).files.length, 1);
  assert.equal((await openPart(await fetchPart({}, `part=1&${ticket}`))).files.length, 1);

  assert.deepEqual(await refusalIn(await fetchPart({}, `part=1&event=${rival.slug}&${ticket}`)), [
    404,
    "EVENT_NOT_FOUND",
  ]);
  assert.deepEqual(
    await refusalIn(await fetchPart({ pinToken: "f".repeat(64) }, `part=1&${ticket}`)),
    [
      401,
      "UNAUTHENTICATED",
    ],
  );
  for (const path of ["event", "photos", "stats"]) {
    const answer = await callHost({}, "GET", `${path}?${ticket}`);
    assert.ok([401, 404].includes(answer.status), `${path}: ${answer.status}`);
  }
  assert.deepEqual((await auditOf(id)).map(({ action }) => action), ["issue_ticket"]);
  assert.ok(!JSON.stringify(await auditOf(id)).includes(body.ticket));

  await sql`
    update private.download_tickets set expires_at = now()
    where event_id = ${id}`;
  assert.deepEqual(await refusalIn(await fetchPart({}, `part=1&${ticket}`)), [
    401,
    "UNAUTHENTICATED",
  ]);
  assert.deepEqual(await refusalIn(await fetchPart({}, `part=1&event=${slug}&ticket=bad`)), [
    401,
    "UNAUTHENTICATED",
  ]);
});

test("a ticket ends with the session or the rights of who asked for it", async () => {
  const event = await createHostedEvent();
  await addExported(event.id, picture);
  const own = (await enter(event.slug, PIN)).body.token as string;
  const owner = await createPerson({ role: "partner" });
  await sql`update public.partners set user_id = ${owner.id} where id = ${event.partnerId}`;
  const of = async (host: Host) =>
    (await callHost(host, "POST", `tickets?event=${event.slug}`)).body.ticket as string;
  const [ofSession, ofOwner] = [await of({ pinToken: own }), await of(owner)];
  const open = async (ticket: string) => {
    const response = await fetchPart({}, `part=1&ticket=${ticket}`);
    if (response.ok) return (await openPart(response)).files.length;
    return await refusalIn(response);
  };
  assert.deepEqual([await open(ofSession), await open(ofOwner)], [1, 1]);

  await callHost({ pinToken: own }, "DELETE", "session");
  assert.deepEqual(await open(ofSession), [401, "UNAUTHENTICATED"]);
  await sql`update public.partners set user_id = null where id = ${event.partnerId}`;
  assert.deepEqual(await open(ofOwner), [404, "EVENT_NOT_FOUND"]);

  const suspended = await of(event.host);
  await sql`update public.partners set is_active = false where id = ${event.partnerId}`;
  assert.deepEqual(await open(suspended), [403, "EVENT_PAUSED"]);
});
