import assert from "node:assert/strict";
import sharp from "sharp";
import { createEvent, creditsUsed, finished } from "./fixtures.ts";
import { guestRequest, makePhoto, toDataUrl } from "./photos.ts";
import {
  anonymousClient,
  callFunction,
  controlProvider,
  eventually,
  service,
  sql,
  test,
} from "./stack.ts";

test("a guest uploads a selfie and gets a picture that the event paid for", async () => {
  const event = await createEvent({ credits: 3 });
  const photo = await makePhoto();
  const upload = await callFunction("cabina-vision/upload-url", {
    content_type: "image/jpeg",
    event_slug: event.slug,
  });
  assert.equal(upload.status, 200);
  const { error } = await anonymousClient().storage.from("user_photos")
    .uploadToSignedUrl(upload.body.photo_path, upload.body.token, photo, {
      contentType: "image/jpeg",
    });
  assert.equal(error, null);

  const accepted = await callFunction("cabina-vision", {
    photo_path: upload.body.photo_path,
    model_id: "pb_a",
    aspect_ratio: "1:1",
    event_slug: event.slug,
    guest_id: "guest_12345678",
  });
  assert.equal(accepted.status, 202);
  assert.equal(accepted.body.success, true);
  assert.match(accepted.headers.get("server-timing") ?? "", /begin;dur=.*total;dur=/);
  assert.equal(await creditsUsed(event.id), 1, "the credit is reserved before the answer");

  const done = await finished(accepted.body.generation_id);
  assert.equal(done.state, "success");
  assert.equal(done.progress, 1);
  assert.equal(done.refunded, false);
  assert.ok(
    !done.image_url.includes(accepted.body.generation_id),
    "the address does not hold the id",
  );

  const picture = await fetch(done.image_url);
  assert.equal(picture.status, 200);
  const { width, height, format } = await sharp(await picture.arrayBuffer()).metadata();
  assert.deepEqual({ square: width === height, format }, { square: true, format: "png" });
  assert.equal(await creditsUsed(event.id), 1);

  const { data: gallery } = await anonymousClient().from("event_gallery").select("*")
    .eq("event_slug", event.slug);
  assert.deepEqual(gallery?.map((row) => row.image_url), [done.image_url]);
  assert.deepEqual(Object.keys(gallery![0]!).sort(), [
    "aspect_ratio",
    "created_at",
    "event_id",
    "event_slug",
    "image_url",
    "style_id",
  ]);

  await eventually("the removal of the selfie", async () => {
    const { data } = await service.storage.from("user_photos").exists(upload.body.photo_path);
    return !data;
  });
});

test("a data URL and wait bring the picture in one request", async () => {
  const event = await createEvent();
  const answer = await callFunction("cabina-vision", await guestRequest(event.slug, { wait: 40 }));
  assert.equal(answer.status, 200);
  assert.equal(answer.body.state, "success");
  assert.equal((await fetch(answer.body.image_url)).status, 200);
});

test("progress never runs backwards", async () => {
  const event = await createEvent();
  const { body } = await callFunction("cabina-vision", await guestRequest(event.slug));
  const seen: number[] = [body.progress];
  await eventually("the end", async () => {
    const check = await callFunction("cabina-vision", {
      action: "check",
      taskId: body.generation_id,
    });
    assert.equal(check.status, 200);
    seen.push(check.body.progress);
    return check.body.state === "success";
  });
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.equal(seen.at(-1), 1);
});

test("a photo that the provider cannot make costs nothing, and the guest reads why", async () => {
  await controlProvider({ fail: { fail_code: "422", fail_msg: "content policy violation" } });
  try {
    const event = await createEvent();
    const { body } = await callFunction("cabina-vision", await guestRequest(event.slug));
    const done = await finished(body.generation_id);
    assert.equal(done.state, "fail");
    assert.equal(done.error, "GENERATION_REFUSED");
    assert.equal(done.refunded, true);
    assert.match(done.message, /rechazada/);
    assert.equal(await creditsUsed(event.id), 0);
  } finally {
    await controlProvider();
  }
});

test("the same idempotency key makes one photo, charges once and conflicts with another request", async () => {
  const event = await createEvent();
  const request = await guestRequest(event.slug, { idempotency_key: "0123456789abcdef" });
  const answers = await Promise.all([1, 2, 3, 4].map(() => callFunction("cabina-vision", request)));
  assert.deepEqual([...new Set(answers.map((a) => a.body.generation_id))].length, 1);
  assert.equal(await creditsUsed(event.id), 1);

  const other = await callFunction("cabina-vision", { ...request, model_id: "suit_b" });
  assert.deepEqual([other.status, other.body.error], [409, "IDEMPOTENCY_CONFLICT"]);
  assert.equal((await finished(answers[0]!.body.generation_id)).state, "success");

  const [{ count }] = await sql`
    select count(*)::int from storage.objects where bucket_id = 'user_photos'
      and name in (select photo_path from generations where event_id = ${event.id})` as [
    { count: number },
  ];
  assert.equal(count <= 1, true);
});

test("an event with moderation keeps the picture private until the host approves", async () => {
  const event = await createEvent({ columns: { config: { moderation: "before" } } });
  const { body } = await callFunction("cabina-vision", await guestRequest(event.slug));
  const done = await finished(body.generation_id);
  assert.equal(done.state, "success");
  assert.match(done.image_url, /\/object\/sign\/generations_private\//, "the guest alone sees it");
  assert.equal((await fetch(done.image_url)).status, 200);
  const { data: gallery } = await anonymousClient().from("event_gallery").select().eq(
    "event_slug",
    event.slug,
  );
  assert.deepEqual(gallery, []);
});

test("an event with a key lets in only who scanned its code", async () => {
  const event = await createEvent({ columns: { config: { access: "key" } } });
  const without = await callFunction("cabina-vision", await guestRequest(event.slug));
  assert.deepEqual([without.status, without.body.error], [403, "FORBIDDEN"]);
  const upload = await callFunction("cabina-vision/upload-url", {
    content_type: "image/png",
    event_slug: event.slug,
    k: event.key,
  });
  assert.equal(upload.status, 200);
  const allowed = await callFunction(
    "cabina-vision",
    await guestRequest(event.slug, { k: event.key }),
  );
  assert.equal(allowed.status, 202);
});

test("a guest deletes a photo with its id: picture, gallery and id are gone", async () => {
  const event = await createEvent();
  const { body } = await callFunction(
    "cabina-vision",
    await guestRequest(event.slug, { wait: 40 }),
  );
  const gone = await callFunction(`cabina-vision/generations/${body.generation_id}`, undefined, {
    method: "DELETE",
  });
  assert.deepEqual([gone.status, gone.body.deleted], [200, true]);
  const check = await callFunction("cabina-vision", {
    action: "check",
    generation_id: body.generation_id,
  });
  assert.deepEqual([check.status, check.body.error], [404, "GENERATION_NOT_FOUND"]);
  await eventually("the removal of the file", async () => {
    const response = await fetch(body.image_url);
    await response.body?.cancel();
    return response.status >= 400;
  });
  assert.equal(await creditsUsed(event.id), 1, "nothing is refunded");
});

test("an uploaded photo counts only at the event that it was issued for", async () => {
  const [mine, other] = [await createEvent(), await createEvent()];
  const upload = await callFunction("cabina-vision/upload-url", {
    content_type: "image/jpeg",
    event_slug: mine.slug,
  });
  await anonymousClient().storage.from("user_photos")
    .uploadToSignedUrl(upload.body.photo_path, upload.body.token, await makePhoto());
  const stolen = await callFunction("cabina-vision", {
    photo_path: upload.body.photo_path,
    model_id: "pb_a",
    event_slug: other.slug,
  });
  assert.deepEqual([stolen.status, stolen.body.error], [400, "INVALID_INPUT"]);
  assert.equal(stolen.body.details[0].field, "photo_path");
  assert.equal(await creditsUsed(other.id), 0);
});

test("a photo larger than 7 MB goes through upload-url", async () => {
  const event = await createEvent();
  const answer = await callFunction(
    "cabina-vision",
    await guestRequest(event.slug, { user_photo: toDataUrl(new Uint8Array(7.2 * 1024 * 1024)) }),
  );
  assert.deepEqual([answer.status, answer.body.error], [413, "PAYLOAD_TOO_LARGE"]);
});
