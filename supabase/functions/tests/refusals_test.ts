import assert from "node:assert/strict";
import { createEvent, creditsUsed } from "./fixtures.ts";
import { guestRequest, makePhoto, toDataUrl } from "./photos.ts";
import { callFunction, sql, stack, test } from "./stack.ts";

const hour = 3_600_000;
const fromNow = (ms: number) => new Date(Date.now() + ms);

const events: Record<string, [Record<string, unknown>, number, string]> = {
  "without credits": [{}, 402, "EVENT_SOLD_OUT"],
  "before its start": [{ start_date: fromNow(hour) }, 403, "EVENT_NOT_STARTED"],
  "after its end": [{ end_date: fromNow(-hour) }, 403, "EVENT_ENDED"],
  "closed": [{ closed_at: fromNow(-hour) }, 403, "EVENT_ENDED"],
  "paused": [{ is_active: false }, 403, "EVENT_PAUSED"],
  "with other styles": [{ selected_styles: ["suit_b"] }, 403, "STYLE_NOT_OFFERED"],
};

for (const [what, [columns, status, code]] of Object.entries(events)) {
  test(`an event ${what} refuses with ${code} and charges nothing`, async () => {
    const event = await createEvent({ credits: code === "EVENT_SOLD_OUT" ? 0 : 3, columns });
    const answer = await callFunction("cabina-vision", await guestRequest(event.slug));
    assert.deepEqual([answer.status, answer.body.success, answer.body.error], [
      status,
      false,
      code,
    ]);
    assert.equal(await creditsUsed(event.id), 0);
    const [row] = await sql`select count(*)::int from generations where event_id = ${event.id}`;
    assert.equal(row!.count, 0);
  });
}

test("unknown events and styles have codes of their own", async () => {
  const event = await createEvent();
  const unknownEvent = await callFunction(
    "cabina-vision",
    await guestRequest("there-is-no-such-event"),
  );
  assert.deepEqual([unknownEvent.status, unknownEvent.body.error], [404, "EVENT_NOT_FOUND"]);
  const unknownStyle = await callFunction(
    "cabina-vision",
    await guestRequest(event.slug, { model_id: "pb_zz" }),
  );
  assert.deepEqual([unknownStyle.status, unknownStyle.body.error], [404, "STYLE_NOT_FOUND"]);
});

test("garbage in the request is named field by field, and nothing is stored or charged", async () => {
  const event = await createEvent();
  const photo = toDataUrl(await makePhoto());
  const [before] =
    await sql`select count(*)::int from storage.objects where bucket_id = 'user_photos'`;
  const cases: [string, Record<string, unknown>, number, string, string][] = [
    [
      "text named .jpg",
      { user_photo: toDataUrl(new TextEncoder().encode("not a picture at all")) },
      400,
      "INVALID_IMAGE",
      "user_photo",
    ],
    [
      "cut-off data URL",
      { user_photo: photo.slice(0, photo.length / 2 & ~3) },
      400,
      "INVALID_IMAGE",
      "user_photo",
    ],
    [
      "damaged base64",
      { user_photo: photo.slice(0, -3) + "*%*" },
      400,
      "INVALID_IMAGE",
      "user_photo",
    ],
    [
      "a foreign address",
      { user_photo: "https://example.com/selfie.jpg" },
      400,
      "INVALID_INPUT",
      "user_photo",
    ],
    [
      "a data URL of text",
      { user_photo: "data:text/plain;base64,aGk=" },
      400,
      "INVALID_INPUT",
      "user_photo",
    ],
    ["no photo", { user_photo: undefined }, 400, "INVALID_INPUT", "user_photo"],
    [
      "a path of somebody",
      { user_photo: undefined, photo_path: "../../etc/passwd" },
      400,
      "INVALID_INPUT",
      "photo_path",
    ],
    [
      "a path never issued",
      { user_photo: undefined, photo_path: `guests/${"0".repeat(32)}/a.jpg` },
      400,
      "INVALID_INPUT",
      "photo_path",
    ],
    ["a number as style", { model_id: 7 }, 400, "INVALID_INPUT", "model_id"],
    ["an unknown ratio", { aspect_ratio: "2:1" }, 400, "INVALID_INPUT", "aspect_ratio"],
    ["a bad guest id", { guest_id: "../x" }, 400, "INVALID_INPUT", "guest_id"],
    ["a short key", { idempotency_key: "short" }, 400, "INVALID_INPUT", "idempotency_key"],
    ["an endless wait", { wait: 51 }, 400, "INVALID_INPUT", "wait"],
    ["an unknown field", { credits: 1000 }, 400, "INVALID_INPUT", "credits"],
    ["an unknown action", { action: "steal" }, 400, "INVALID_INPUT", "action"],
    [
      "20 MB",
      { user_photo: toDataUrl(new Uint8Array(20 * 1024 * 1024)) },
      413,
      "PAYLOAD_TOO_LARGE",
      "",
    ],
  ];
  for (const [what, change, status, code, field] of cases) {
    const answer = await callFunction("cabina-vision", await guestRequest(event.slug, change));
    assert.deepEqual([answer.status, answer.body.error], [status, code], what);
    assert.match(answer.body.request_id, /^[\w-]+$/, what);
    if (field !== "") assert.equal(answer.body.details?.[0]?.field, field, what);
  }
  assert.equal(await creditsUsed(event.id), 0);
  const [after] =
    await sql`select count(*)::int from storage.objects where bucket_id = 'user_photos'`;
  assert.equal(after!.count <= before!.count, true, "nothing was stored");
});

test("bodies that are no JSON object, wrong types, methods and addresses are told apart", async () => {
  const raw = (rawBody: BodyInit, type = "application/json") =>
    callFunction("cabina-vision", undefined, { rawBody, headers: { "content-type": type } });
  assert.deepEqual((await raw("{ not json")).body.error, "INVALID_INPUT");
  assert.deepEqual((await raw("[1, 2]")).body.error, "INVALID_INPUT");
  assert.deepEqual((await raw("null")).body.error, "INVALID_INPUT");
  assert.deepEqual((await raw("a=1", "application/x-www-form-urlencoded")).status, 415);
  const method = await callFunction("cabina-vision", undefined, { method: "PUT" });
  assert.deepEqual([method.status, method.body.error], [405, "METHOD_NOT_ALLOWED"]);
  const address = await callFunction("cabina-vision/nowhere", {});
  assert.deepEqual([address.status, address.body.error], [404, "NOT_FOUND"]);
});

test("messages follow Accept-Language", async () => {
  const say = async (language: string) =>
    (await callFunction("cabina-vision", await guestRequest("there-is-no-such-event"), {
      headers: { "accept-language": language },
    })).body.message;
  assert.equal(await say("en-GB,en;q=0.9"), "There is no such event.");
  assert.equal(await say("fr, pt;q=0.5"), "Esse evento não existe.");
  assert.equal(await say("de"), "No existe ese evento.");
});

test("browsers may call: preflight and errors carry CORS headers", async () => {
  const preflight = await fetch(`${stack.api_url}/functions/v1/cabina-vision`, {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization, apikey, content-type",
    },
  });
  await preflight.body?.cancel();
  assert.ok(preflight.ok);
  assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /apikey/i);
  const refused = await callFunction("cabina-vision", {}, {
    apikey: null,
    headers: { origin: "https://app.example" },
  });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get("access-control-allow-origin"), "*");
});

test("a guest who made all photos is told so", async () => {
  const event = await createEvent({ columns: { config: { limits: { per_guest: 1 } } } });
  const request = await guestRequest(event.slug);
  assert.equal((await callFunction("cabina-vision", request)).status, 202);
  const second = await callFunction("cabina-vision", request);
  assert.deepEqual([second.status, second.body.error], [429, "GUEST_LIMIT_REACHED"]);
  assert.ok(Number(second.headers.get("retry-after")) > 0);
  assert.equal(await creditsUsed(event.id), 1);
});

test("service routes want the secret key", async () => {
  assert.equal((await callFunction("cabina-vision/sweep", {}, { apikey: null })).status, 401);
  assert.equal((await callFunction("cabina-vision/sweep", {})).status, 403);
  assert.equal(
    (await callFunction("cabina-vision/sweep", {}, { apikey: stack.secret_key })).status,
    200,
  );
});
