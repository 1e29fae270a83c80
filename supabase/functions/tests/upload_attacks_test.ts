import assert from "node:assert/strict";
import { request as rawRequest } from "node:http";
import { type Actor, ask, clientOf, strangers } from "./actors.ts";
import { callFunction, stack, test } from "./stack.ts";
import { createTenant, filesOf, picture } from "./tenants.ts";

// Attacks on storage by what files are called and what they are. The number is that of docs/security.md.

const victim = await createTenant();
const own = await createTenant();
const [, user] = strangers(own) as [Actor, Actor];
const jpeg = { contentType: "image/jpeg" };
const ownSelfie = own.selfies.user;

/** The status that storage means: over HTTP it says 400 to most refusals. */
const statusOf = ({ error }: { error: { statusCode?: string | undefined } | null }) =>
  Number(error?.statusCode ?? 200);

/** Runs attacks, after which every file must be as it was, and none more. */
async function assertHarmless(attack: () => Promise<void>): Promise<void> {
  const before = await filesOf(victim, own);
  await attack();
  assert.deepEqual(await filesOf(victim, own), before);
}

/** Keys that try to leave the user's folder, or to look like something else. */
const tricks = [
  `${user.id}/../${victim.selfies.user}`,
  `${user.id}/./../${victim.user.id}/planted.jpg`,
  `${user.id}/..`,
  `${user.id}/.`,
  `${user.id}/`,
  `${user.id}`,
  `${user.id}//planted.jpg`,
  `/${user.id}/planted.jpg`,
  `//${victim.user.id}/planted.jpg`,
  `${user.id}/nested/planted.jpg`,
  `${user.id}\\..\\${victim.user.id}\\planted.jpg`,
  `${user.id}%2f..%2f${victim.user.id}%2fplanted.jpg`,
  `${user.id}/%2e%2e/${victim.user.id}/planted.jpg`,
  `${user.id!.toUpperCase()}/planted.jpg`,
  `${user.id} /planted.jpg`,
  `${victim.user.id}/planted.jpg`,
  `guests/${"0".repeat(32)}/planted.jpg`,
  `results/${victim.user.id}_1795401702670917624.png`,
  `${user.id}/fo\u2025/planted.jpg`,
  `${user.id}/\u202egpj.planted`,
  `${user.id}/\uff0e\uff0e\uff0fplanted.jpg`,
  `${user.id}/nul\u0000.jpg`,
  `${user.id}/line\nbreak.jpg`,
  `${user.id}/${"a".repeat(1100)}.jpg`,
  `*/planted.jpg`,
  `%/planted.jpg`,
];

test("T08 no spelling of a path leaves one's own folder", async () => {
  await assertHarmless(async () => {
    for (const key of tricks) {
      const encoded = encodeURIComponent(key);
      const what = JSON.stringify(key.slice(0, 120));
      const headers = { "content-type": "image/jpeg", "x-upsert": "true" };
      for (const path of new Set([encoded, encoded.replaceAll("%2F", "/")])) {
        const target = `storage/v1/object/user_photos/${path}`;
        const answer = await ask(target, user, { method: "POST", body: picture, headers });
        assert.ok([400, 404].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
      }
      // In a body nothing on the way tidies the path up.
      const files = clientOf(user).storage.from("user_photos");
      assert.ok([400, 403].includes(statusOf(await files.copy(ownSelfie, key))), `copy to ${what}`);
      assert.ok(
        [400, 403, 404].includes(statusOf(await files.move(ownSelfie, key))),
        `move to ${what}`,
      );
      assert.ok([400, 404].includes(statusOf(await files.copy(key, `${user.id}/x.jpg`))), what);
      assert.deepEqual((await files.remove([key])).data ?? [], [], `remove ${what}`);
      const { data: signed } = await files.createSignedUrls([key], 60);
      assert.equal(signed?.[0]?.signedUrl ?? null, null, `sign ${what}`);
      const { data: listed } = await files.list(key.slice(0, 1000));
      assert.deepEqual((listed ?? []).filter(({ name }) => !isOwn(name)), [], `list ${what}`);
    }
  });
});

/** What a user's own folder holds. */
const isOwn = (name: string) => name === "selfie.jpg" || name === user.id;

test("T08 dots that only a raw connection sends are refused", async () => {
  for (const dots of ["..", "%2e%2e", ".%2E"]) {
    for (
      const path of [
        `authenticated/user_photos/${user.id}/${dots}/${victim.selfies.user}`,
        `public/generations/${dots}/generations_private/${victim.photos.hidden.path}`,
      ]
    ) {
      const { status, text } = await getRaw(`/storage/v1/object/${path}`);
      assert.equal(status, 400, path);
      assert.match(JSON.parse(text).code, /^(InvalidKey|NoSuchKey|NoSuchBucket)$/, path);
    }
  }
});

/** Sends a path as it is: fetch would tidy it up first. */
function getRaw(path: string): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(stack.api_url);
  const headers = { apikey: stack.publishable_key, authorization: `Bearer ${user.token}` };
  return new Promise((resolve, reject) => {
    rawRequest({ hostname, port, path, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    }).on("error", reject).end();
  });
}

test("T08 only photos of the right type and size are taken", async () => {
  const files = clientOf(user).storage.from("user_photos");
  const html = new TextEncoder().encode("<script>alert(1)</script>");
  const types = [
    "text/html",
    "image/svg+xml",
    "application/octet-stream",
    "image/gif",
    "image/*",
    "*/*",
  ];
  const disguised = [
    "image/jpeg, text/html",
    "image/jpeg;text/html",
    "image/svg+xml;image/png",
    "image/jpegx",
  ];
  await assertHarmless(async () => {
    for (const contentType of [...types, ...disguised]) {
      const { error } = await files.upload(`${user.id}/page.jpg`, html, { contentType });
      assert.equal(statusOf({ error }), 415, contentType);
    }
    const { data: address } = await files.createSignedUploadUrl(`${user.id}/page.jpg`);
    const signed = await files.uploadToSignedUrl(address!.path, address!.token, html, {
      contentType: "text/html",
    });
    assert.equal(statusOf(signed), 415);
    const large = new Uint8Array(10 * 1024 * 1024 + 1);
    assert.equal(statusOf(await files.upload(`${user.id}/large.jpg`, large, jpeg)), 413);
  });
});

test("T08 a page that calls itself a photo is never served as a page, nor made a picture of", async () => {
  const files = clientOf(user).storage.from("user_photos");
  for (
    const page of [
      "<html><script>alert(1)</script>",
      "<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
    ]
  ) {
    const path = `${user.id}/${crypto.randomUUID()}.jpg`;
    const { error } = await files.upload(path, new TextEncoder().encode(page), jpeg);
    assert.equal(error, null);
    const { data } = await files.createSignedUrl(path, 60);
    const response = await fetch(data!.signedUrl);
    await response.body?.cancel();
    assert.equal(response.headers.get("content-type"), "image/jpeg");
    const generate = await callFunction("cabina-vision", { model_id: "pb_a", photo_path: path }, {
      token: user.token!,
    });
    assert.deepEqual([generate.status, generate.body.error], [400, "INVALID_IMAGE"]);
    await files.remove([path]);
  }
});
