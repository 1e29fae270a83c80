import assert from "node:assert/strict";
import { type Actor, ask, clientOf, strangers } from "./actors.ts";
import { callFunction, service, sql, test } from "./stack.ts";
import { createTenant, filesOf, picture } from "./tenants.ts";

// Attacks on storage. Their numbers are those of docs/security.md.

const victim = await createTenant();
const own = await createTenant();
const attackers = strangers(own);
const [anon, user] = attackers as [Actor, Actor];
const jpeg = { contentType: "image/jpeg" };

/** A file of the victim in each place, by bucket and path. */
const targets: [string, string][] = [
  ["user_photos", victim.selfies.user],
  ["user_photos", victim.selfies.guest],
  ["generations", victim.photos.shown.path],
  ["generations_private", victim.photos.hidden.path],
  ["event_assets", `events/${victim.event.id}/logo.png`],
];
const privateTargets = targets.filter(([bucket]) => /user_photos|private/.test(bucket));
const ownSelfie = own.selfies.user;

/** What an operation was refused with: the status that storage means, and its message. */
type Refused = { error: { message: string; statusCode?: string | undefined } | null };
const statusOf = ({ error }: Refused) => Number(error?.statusCode ?? 200);

/** Runs attacks, after which every file must be as it was, and none more. */
async function assertHarmless(attack: () => Promise<void>): Promise<void> {
  const before = await filesOf(victim, own);
  await attack();
  assert.deepEqual(await filesOf(victim, own), before);
  for (const [bucket, path] of targets) {
    const { data } = await service.storage.from(bucket).download(path);
    assert.deepEqual(new Uint8Array(await data!.arrayBuffer()), picture);
  }
}

test("T07 nobody lists files but a user their own, public buckets included", async () => {
  for (const actor of attackers) {
    const storage = clientOf(actor).storage;
    assert.deepEqual((await storage.listBuckets()).data, []);
    for (const [bucket, path] of targets) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      const listed = await storage.from(bucket).list(folder, { limit: 1000 });
      assert.deepEqual(listed.data, [], `${actor.name}: ${bucket}/${folder}`);
      const root = await storage.from(bucket).list("", { limit: 1000 });
      const visible = actor === user && bucket === "user_photos" ? [own.user.id] : [];
      assert.deepEqual(root.data!.map(({ name }) => name), visible, `${actor.name}: ${bucket}`);
      const searched = await storage.from(bucket).list("", { search: folder.slice(0, 8) });
      assert.deepEqual(searched.data, [], `${actor.name}: search in ${bucket}`);
      const { data: cursor } = await storage.from(bucket).listV2({ prefix: folder });
      assert.deepEqual([cursor?.objects, cursor?.folders], [[], []], `${actor.name}: ${bucket}`);
    }
  }
});

test("T07 nobody reads another's private file, by any address", async () => {
  for (const actor of attackers) {
    const storage = clientOf(actor).storage;
    for (const [bucket, path] of privateTargets) {
      const files = storage.from(bucket);
      const what = `${actor.name}: ${bucket}/${path}`;
      assert.equal(statusOf(await files.info(path)), 404, what);
      assert.equal((await files.exists(path)).data, false, what);
      assert.equal(statusOf(await files.createSignedUrl(path, 60)), 404, what);
      const { data: many } = await files.createSignedUrls([path], 60);
      assert.deepEqual(many!.map(({ signedUrl }) => signedUrl), [null], what);
      for (const route of ["", "authenticated/", "public/", "info/", "info/public/"]) {
        const answer = await ask(`storage/v1/object/${route}${bucket}/${path}`, actor);
        assert.deepEqual([answer.status, answer.body.statusCode], [400, "404"], what + route);
      }
    }
  }
});

test("T07 nobody writes, replaces, copies or moves onto another's file", async () => {
  await assertHarmless(async () => {
    for (const actor of attackers) {
      const storage = clientOf(actor).storage;
      for (const [bucket, path] of targets) {
        const files = storage.from(bucket);
        const beside = path.replace(/[^/]+$/, "planted.jpg");
        const what = `${actor.name}: ${bucket}/${path}`;
        for (const key of [path, beside]) {
          assert.equal(statusOf(await files.upload(key, picture, jpeg)), 403, what);
          assert.equal(
            statusOf(await files.upload(key, picture, { ...jpeg, upsert: true })),
            403,
            what,
          );
          assert.equal(statusOf(await files.update(key, picture, jpeg)), 403, what);
          assert.equal(statusOf(await files.createSignedUploadUrl(key)), 403, what);
          assert.equal(
            statusOf(await files.createSignedUploadUrl(key, { upsert: true })),
            403,
            what,
          );
          if (actor !== user) continue;
          const from = storage.from("user_photos");
          const destinationBucket = bucket;
          assert.equal(statusOf(await from.copy(ownSelfie, key, { destinationBucket })), 403, what);
          // No policy lets anybody change a row, so there is nothing to move.
          assert.equal(statusOf(await from.move(ownSelfie, key, { destinationBucket })), 404, what);
        }
      }
    }
  });
});

test("T07 nobody takes another's file: no copy, no move, no removal", async () => {
  await assertHarmless(async () => {
    for (const actor of attackers) {
      const storage = clientOf(actor).storage;
      for (const [bucket, path] of targets) {
        const files = storage.from(bucket);
        const what = `${actor.name}: ${bucket}/${path}`;
        const mine = `${actor.id}/stolen.jpg`;
        const destinationBucket = "user_photos";
        assert.equal(statusOf(await files.copy(path, mine, { destinationBucket })), 404, what);
        assert.equal(statusOf(await files.move(path, mine, { destinationBucket })), 404, what);
        assert.deepEqual((await files.remove([path])).data, [], what);
        const removed = await ask(`storage/v1/object/${bucket}/${path}`, actor, {
          method: "DELETE",
        });
        assert.deepEqual([removed.status, removed.body.statusCode], [400, "404"], what);
      }
    }
  });
});

test("T07 nobody changes or removes a bucket", async () => {
  const buckets = () => sql`select * from storage.buckets order by id`;
  const before = await buckets();
  await assertHarmless(async () => {
    for (const actor of attackers) {
      const storage = clientOf(actor).storage;
      assert.equal(
        statusOf(await storage.createBucket(`eve-${actor.name}`, { public: true })),
        403,
      );
      for (const { id } of before) {
        assert.equal(statusOf(await storage.getBucket(id)), 404);
        assert.equal(statusOf(await storage.updateBucket(id, { public: true })), 404);
        assert.equal(statusOf(await storage.emptyBucket(id)), 404);
        assert.equal(statusOf(await storage.deleteBucket(id)), 404);
      }
    }
  });
  assert.deepEqual(await buckets(), before);
});

test("T07 a signed address is good for one file and one direction only", async () => {
  const files = clientOf(user).storage.from("user_photos");
  const { data: read } = await files.createSignedUrl(ownSelfie, 60);
  const { data: write } = await files.createSignedUploadUrl(`${user.id}/new.jpg`);
  const tokens = [
    new URL(read!.signedUrl).searchParams.get("token")!,
    write!.token,
    user.token!,
    "x",
  ];
  await assertHarmless(async () => {
    for (const token of tokens) {
      for (const [bucket, path] of targets) {
        const get = await ask(`storage/v1/object/sign/${bucket}/${path}?token=${token}`, anon);
        assert.equal(get.status, 400, get.text);
        const put = await ask(
          `storage/v1/object/upload/sign/${bucket}/${path}?token=${token}`,
          anon,
          {
            method: "PUT",
            body: picture,
            headers: { "content-type": "image/jpeg", "x-upsert": "true" },
          },
        );
        assert.equal(put.status, 400, put.text);
      }
    }
    const swapped = await ask(
      `storage/v1/object/sign/user_photos/${ownSelfie}?token=${write!.token}`,
      anon,
    );
    assert.equal(swapped.status, 400, "an upload token reads nothing");
  });
});

test("T07 an address for a guest's selfie replaces nothing", async () => {
  const { body } = await callFunction("cabina-vision/upload-url", {
    content_type: "image/jpeg",
    event_slug: own.event.slug,
  });
  const files = clientOf(anon).storage.from("user_photos");
  const first = await files.uploadToSignedUrl(body.photo_path, body.token, picture, jpeg);
  assert.equal(first.error, null);
  await assertHarmless(async () => {
    const again = { ...jpeg, upsert: true };
    const second = await files.uploadToSignedUrl(
      body.photo_path,
      body.token,
      new Uint8Array(9),
      again,
    );
    assert.equal(statusOf(second), 409);
    const other = await files.uploadToSignedUrl(victim.selfies.guest, body.token, picture, again);
    assert.equal(statusOf(other), 400);
  });
});
