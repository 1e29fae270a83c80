import { SignJWT } from "jose";
import assert from "node:assert/strict";
import {
  bytes,
  fresh,
  ok,
  openBench,
  PNG,
  png,
  refused,
  request,
  signUserToken,
  type StorageBench,
} from "./storage/testing.ts";

let bench: StorageBench;
Deno.test.beforeAll(async () => {
  bench = await openBench();
});
Deno.test.afterAll(() => bench.close());

/** The service's view of the private bucket. */
const files = () => bench.service.from(bench.privateBucket);

Deno.test("createStorage() keeps buckets with their limits", async () => {
  const { service, anon, ann } = bench;
  const bucket = `test-bucket-${crypto.randomUUID().slice(0, 8)}`;
  ok(await service.createBucket(bucket, { public: false, fileSizeLimit: "2MB" }));
  assert.equal(ok(await service.getBucket(bucket)).file_size_limit, 2_000_000);
  refused(await service.createBucket(bucket), "409");
  ok(
    await service.updateBucket(bucket, {
      public: true,
      fileSizeLimit: 5000,
      allowedMimeTypes: ["image/*"],
    }),
  );
  const listed = ok(await service.listBuckets({ search: bucket }));
  assert.deepEqual(listed.map((it) => [it.id, it.public, it.file_size_limit]), [
    [bucket, true, 5000],
  ]);
  assert.deepEqual(listed[0]?.allowed_mime_types, ["image/*"]);

  assert.deepEqual(ok(await anon.listBuckets()), []);
  refused(await ann.getBucket(bucket), "404");
  refused(await anon.createBucket(`${bucket}-anon`), "403", /row-level security/);
  refused(await ann.deleteBucket(bucket), "404");

  ok(await service.from(bucket).upload("a.png", png()));
  refused(await service.deleteBucket(bucket), "409", /not empty/);
  ok(await service.emptyBucket(bucket));
  ok(await service.deleteBucket(bucket));
  refused(await service.getBucket(bucket), "404", /Bucket not found/);
});

Deno.test("createBucket() refuses names and limits it cannot keep", async () => {
  const { service } = bench;
  for (const name of ["..", "a/b", "ñ", ""]) refused(await service.createBucket(name), "400");
  refused(await service.createBucket("x", { public: false, fileSizeLimit: "9PB" }), "400", /9PB/);
  refused(await service.createBucket("x", { public: false, fileSizeLimit: "1GB" }), "413", /1GB/);
  refused(await service.createBucket("x", { public: false, allowedMimeTypes: ["png"] }), "415");
});

Deno.test("getPublicUrl() works for public buckets only", async () => {
  const { service, publicBucket, privateBucket, url } = bench;
  const shared = service.from(publicBucket);
  ok(await shared.upload("results/a b.png", png(), { cacheControl: "60" }));
  const link = shared.getPublicUrl("results/a b.png", { download: "party é.png" }).data.publicUrl;
  const answer = await fetch(link);
  assert.equal((await answer.bytes()).length, 100);
  assert.equal(answer.headers.get("cache-control"), "max-age=60");
  assert.match(
    answer.headers.get("content-disposition") ?? "",
    /^attachment; .*party%20%C3%A9\.png/,
  );
  assert.equal(ok(await bench.anon.from(publicBucket).download("results/a b.png")).size, 100);

  ok(await files().upload("hidden.png", png()));
  const hidden = await fetch(`${url}/object/public/${privateBucket}/hidden.png`);
  assert.equal(hidden.status, 400);
  assert.equal((await hidden.json()).statusCode, "404");
  refused(await bench.anon.from(publicBucket).upload("mine.png", png()), "403");
});

Deno.test("createSignedUrl() opens one object until it expires", async () => {
  const key = `signed/${fresh()}`;
  ok(await files().upload(key, png()));
  const { signedUrl } = ok(await files().createSignedUrl(key, 60, { download: true }));
  const answer = await fetch(signedUrl, { headers: { range: "bytes=0-9" } });
  assert.equal(answer.status, 206);
  assert.equal((await answer.bytes()).length, 10);
  assert.equal(answer.headers.get("content-disposition"), "attachment;");
  assert.ok(Date.parse(answer.headers.get("expires") ?? "") > Date.now());

  const several = ok(await files().createSignedUrls([key, "none.png"], 60));
  assert.equal((await (await fetch(several[0]?.signedUrl ?? "")).bytes()).length, 100);
  assert.match(several[1]?.error ?? "", /does not exist/);
  refused(await files().createSignedUrl("none.png", 60), "404");

  const token = (claims: Record<string, unknown>, exp: string, secret = bench.jwtSecret) =>
    new SignJWT({ url: `${bench.privateBucket}/${key}`, scope: "download", ...claims })
      .setProtectedHeader({ alg: "HS256" }).setExpirationTime(exp)
      .sign(new TextEncoder().encode(secret));
  const codeOf = async (token: string) => {
    const answer = await fetch(
      `${bench.url}/object/sign/${bench.privateBucket}/${key}?token=${token}`,
    );
    assert.equal(answer.status, 400);
    return (await answer.json()).code;
  };
  assert.equal(await codeOf(await token({}, "1m ago")), "InvalidJWT");
  assert.equal(await codeOf(await token({}, "1m", "x".repeat(40))), "InvalidJWT");
  assert.equal(await codeOf(await token({ url: "other/a.png" }, "1m")), "InvalidSignature");
  assert.equal(await codeOf(await token({ scope: "upload" }, "1m")), "InvalidSignature");
  assert.equal(await codeOf(""), "InvalidJWT");
});

Deno.test("createSignedUploadUrl() takes one upload to one path", async () => {
  const { anon, privateBucket } = bench;
  const key = `guests/${fresh()}`;
  const guest = anon.from(privateBucket);
  const { token } = ok(await files().createSignedUploadUrl(key));
  refused(await guest.uploadToSignedUrl(key, token, bytes(1_000_001), PNG), "413");
  refused(await guest.uploadToSignedUrl(key, token, "text", { contentType: "a/b" }), "415");
  refused(await guest.uploadToSignedUrl("guests/other.png", token, png()), "400");
  assert.equal(
    ok(await guest.uploadToSignedUrl(key, token, png())).fullPath,
    `${privateBucket}/${key}`,
  );
  refused(await guest.uploadToSignedUrl(key, token, bytes(5), { ...PNG, upsert: true }), "409");
  assert.equal(ok(await files().info(key)).size, 100);
  refused(await files().createSignedUploadUrl(key), "409");

  const again = ok(await files().createSignedUploadUrl(key, { upsert: true }));
  ok(await guest.uploadToSignedUrl(key, again.token, bytes(5), PNG));
  assert.equal(ok(await files().download(key)).size, 5);
  refused(await guest.createSignedUploadUrl(`guests/${fresh()}`), "403");
});

Deno.test("policies on storage.objects decide for every operation", async () => {
  const { ann, annId, bob, anon, privateBucket } = bench;
  const own = `${annId}/me.png`;
  const [mine, others] = [ann.from(privateBucket), [bob, anon].map((it) => it.from(privateBucket))];
  ok(await mine.upload(own, png()));
  assert.equal(ok(await mine.download(own)).size, 100);
  assert.equal(ok(await mine.list(annId)).length, 1);
  ok(await mine.createSignedUrl(own, 60));
  ok(await mine.upload(own, png(70), { upsert: true }));

  for (const other of others) {
    refused(await other.upload(`${annId}/theirs.png`, png()), "403", /row-level security/);
    refused(await other.upload(own, png(), { upsert: true }), "403");
    refused(await other.update(own, png()), "403");
    refused(await other.download(own), "404");
    refused(await other.info(own), "404");
    refused(await other.createSignedUrl(own, 60), "404");
    refused(await other.createSignedUploadUrl(`${annId}/theirs.png`), "403");
    refused(await other.move(own, "stolen.png"), "404");
    refused(await other.copy(own, "stolen.png"), "404");
    assert.deepEqual(ok(await other.list(annId)), []);
    assert.deepEqual(ok(await other.remove([own])), []);
    assert.match(ok(await other.createSignedUrls([own], 60))[0]?.error ?? "", /access/);
  }
  refused(await mine.move(own, "outside.png"), "403", /row-level security/);
  refused(await mine.copy(own, "outside.png"), "403");
  const elsewhere = { destinationBucket: bench.publicBucket };
  refused(await mine.move(own, own, elsewhere), "403");

  ok(await mine.move(own, `${annId}/moved.png`));
  assert.equal(ok(await files().info(`${annId}/moved.png`)).size, 70);
  assert.equal(ok(await mine.remove([`${annId}/moved.png`])).length, 1);
});

Deno.test("createStorage() lets no token act as the owner of the tables", async () => {
  for (const role of ["none", "postgres", "supabase_storage_admin"]) {
    const token = await signUserToken(bench.jwtSecret, bench.annId, role);
    const headers = { authorization: `Bearer ${token}` };
    const answer = await request(bench, "/bucket", { headers });
    assert.ok(!answer.ok, `${role} got ${answer.status}`);
    await answer.body?.cancel();
  }
});

Deno.test("createStorage() says what it does not offer", async () => {
  const paths = [
    `/render/image/public/${bench.publicBucket}/a.png`,
    "/upload/resumable",
    "/s3/bucket",
    "/vector/ListIndexes",
  ];
  for (const path of paths) {
    const answer = await request(bench, path);
    assert.equal(answer.status, 501, path);
    assert.match((await answer.json()).message, /The local storage has no /);
  }
  const lost = await request(bench, "/nowhere");
  assert.deepEqual([lost.status, (await lost.json()).statusCode], [400, "404"]);
  const bad = await request(bench, "/object/move", { method: "POST", body: "{" });
  assert.match((await bad.json()).message, /must be JSON/);
});
