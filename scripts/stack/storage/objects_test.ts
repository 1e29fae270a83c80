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
  type StorageBench,
} from "./testing.ts";

let bench: StorageBench;
Deno.test.beforeAll(async () => {
  bench = await openBench();
});
Deno.test.afterAll(() => bench.close());

/** The service's view of the private bucket. */
const files = () => bench.service.from(bench.privateBucket);

Deno.test("upload() stores Blob, File, bytes and stream with type, caching and metadata", async () => {
  const metadata = { shot: "ñandú" };
  const bodies = [png(), new File([bytes(100)], "me.png", { type: "image/png" }), bytes(100)];
  const streams = [new Blob([bytes(100)]).stream()];
  for (const body of [...bodies, ...streams]) {
    const key = `in/${fresh()}`;
    const stored = ok(await files().upload(key, body, { ...PNG, cacheControl: "60", metadata }));
    assert.equal(stored.fullPath, `${bench.privateBucket}/${key}`);
    const info = ok(await files().info(key));
    assert.equal(info.id, stored.id);
    assert.deepEqual([info.size, info.contentType, info.cacheControl], [
      100,
      "image/png",
      "max-age=60",
    ]);
    assert.deepEqual({ ...info.metadata }, metadata);
    const blob = ok(await files().download(key));
    assert.equal(blob.type, "image/png");
    assert.deepEqual(await blob.bytes(), bytes(100));
  }
});

Deno.test("upload() overwrites only when told to", async () => {
  const key = fresh();
  const first = ok(await files().upload(key, bytes(10), PNG));
  refused(await files().upload(key, bytes(20), PNG), "409", /already exists/);
  assert.equal(ok(await files().info(key)).size, 10);
  assert.equal(ok(await files().upload(key, bytes(20), { ...PNG, upsert: true })).id, first.id);
  assert.equal(ok(await files().info(key)).size, 20);
  ok(await files().update(key, png(30)));
  assert.equal((await ok(await files().download(key)).bytes()).length, 30);
});

Deno.test("upload() has one winner, and readers see whole files while writers race", async () => {
  const key = fresh();
  const sizes = Array.from({ length: 12 }, (_, index) => 1000 + index);
  const once = await Promise.all(sizes.map((size) => files().upload(key, bytes(size), PNG)));
  assert.equal(once.filter((answer) => answer.error === null).length, 1);

  const upsert = { ...PNG, upsert: true };
  const [reads] = await Promise.all([
    Promise.all(sizes.map(async () => (await ok(await files().download(key)).bytes()).length)),
    Promise.all(sizes.map(async (size) => ok(await files().upload(key, bytes(size), upsert)))),
  ]);
  for (const length of reads) assert.ok(sizes.includes(length), `read ${length} bytes`);
  assert.equal(
    (await ok(await files().download(key)).bytes()).length,
    ok(await files().info(key)).size,
  );
});

Deno.test("upload() refuses what is too large, of another type or badly named", async () => {
  const tooLarge = bytes(1_000_001);
  refused(await files().upload(fresh(), tooLarge, PNG), "413", /maximum allowed size/);
  refused(await files().upload(fresh(), png(1_000_001)), "413");
  const undeclared = new Blob([tooLarge]).stream();
  refused(await files().upload(fresh(), undeclared, PNG), "413");
  refused(await bench.service.from(bench.publicBucket).upload("x", bytes(52_428_801)), "413");
  ok(await files().upload(fresh(), bytes(1_000_000), PNG));

  refused(
    await files().upload("a.pdf", bytes(1), { contentType: "application/pdf" }),
    "415",
    /pdf/,
  );
  refused(await files().upload("ñ.png", bytes(1), PNG), "400", /Invalid key: ñ\.png/);
  refused(await bench.service.from("no-such-bucket").upload("a.png", png()), "404");
  for (const key of ["a//b.png", "a/..%2f..%2fb.png", "a/%2e%2e%2fb.png", "a%5Cb.png", "%ZZ"]) {
    const answer = await request(bench, `/object/${bench.privateBucket}/${key}`, {
      method: "POST",
      body: bytes(1),
      headers: { "content-type": "image/png" },
    });
    assert.equal(answer.status, 400, key);
    assert.equal((await answer.json()).code, "InvalidKey", key);
  }
});

Deno.test("upload() leaves no object when the sender breaks off", async () => {
  const key = fresh();
  const abort = new AbortController();
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent++ === 500) abort.abort();
      else controller.enqueue(bytes(1000));
    },
  });
  const init = {
    method: "POST",
    body,
    signal: abort.signal,
    headers: { "content-type": "image/png" },
  };
  await assert.rejects(request(bench, `/object/${bench.privateBucket}/${key}`, init));
  refused(await files().info(key), "404");
});

Deno.test("download() answers ranges, conditions and HEAD", async () => {
  const key = fresh();
  const content = Uint8Array.from({ length: 200 }, (_, index) => index);
  ok(await files().upload(key, content, { ...PNG, cacheControl: "60" }));
  const path = `/object/authenticated/${bench.privateBucket}/${key}`;
  const ranged = async (range: string) => {
    const answer = await request(bench, path, { headers: { range } });
    const body = [...new Uint8Array(await answer.arrayBuffer())];
    return [answer.status, answer.headers.get("content-range"), body.length, body[0]];
  };
  assert.deepEqual(await ranged("bytes=0-63"), [206, "bytes 0-63/200", 64, 0]);
  assert.deepEqual(await ranged("bytes=190-"), [206, "bytes 190-199/200", 10, 190]);
  assert.deepEqual(await ranged("bytes=-5"), [206, "bytes 195-199/200", 5, 195]);
  assert.deepEqual(await ranged("bytes=100-9999"), [206, "bytes 100-199/200", 100, 100]);
  assert.deepEqual(await ranged("lines=1-2"), [200, null, 200, 0]);
  assert.deepEqual((await ranged("bytes=200-")).slice(0, 2), [416, "bytes */200"]);

  const head = await request(bench, path, { method: "HEAD" });
  const { headers } = head;
  assert.deepEqual(
    ["content-length", "content-type", "cache-control", "accept-ranges"].map((it) =>
      headers.get(it)
    ),
    ["200", "image/png", "max-age=60", "bytes"],
  );
  const etag = headers.get("etag") ?? "";
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  for (
    const condition of [
      { "if-none-match": etag },
      { "if-none-match": `"other", W/${etag}` },
      { "if-modified-since": new Date(Date.now() + 1000).toUTCString() },
    ]
  ) assert.equal((await request(bench, path, { headers: condition })).status, 304);
  const other = await request(bench, path, { headers: { "if-none-match": '"other"' } });
  assert.equal((await other.bytes()).length, 200);
});

Deno.test("list() groups folders, searches, sorts and pages", async () => {
  for (const key of ["a.png", "b.png", "Banana.png", "deep/c.png", "deep/er/d.png"]) {
    ok(await files().upload(`list/${key}`, png()));
  }
  const names = async (path: string, options = {}) =>
    ok(await files().list(path, options)).map((it) => it.id === null ? `${it.name}/` : it.name);
  assert.deepEqual(await names("list"), ["Banana.png", "a.png", "b.png", "deep/"]);
  assert.deepEqual(await names("list/"), ["Banana.png", "a.png", "b.png", "deep/"]);
  assert.deepEqual(await names("list/deep"), ["c.png", "er/"]);
  assert.deepEqual(await names("lis"), []);
  assert.deepEqual(await names("list", { search: "b" }), ["Banana.png", "b.png"]);
  assert.deepEqual(await names("list", { limit: 2, offset: 1 }), ["a.png", "b.png"]);
  const newest = { sortBy: { column: "created_at", order: "desc" } };
  assert.deepEqual(await names("list", newest), ["deep/", "Banana.png", "b.png", "a.png"]);
  const [file] = ok(await files().list("list", { search: "a.p" }));
  assert.equal(file?.metadata?.size, 100);
  assert.match(file?.created_at ?? "", /^\d{4}-\d\d-\d\dT/);

  const page = { prefix: "list/", with_delimiter: true, limit: 3 };
  const first = ok(await files().listV2(page));
  assert.deepEqual(first.objects.map((it) => it.name), [
    "list/Banana.png",
    "list/a.png",
    "list/b.png",
  ]);
  const second = ok(await files().listV2({ ...page, cursor: first.nextCursor ?? "" }));
  assert.deepEqual([second.hasNext, second.folders.map((it) => it.name)], [false, ["list/deep/"]]);
});

Deno.test("move() and copy() work within and across buckets", async () => {
  const { publicBucket } = bench;
  const shared = bench.service.from(publicBucket);
  ok(await files().upload("move/a.png", png(50), { metadata: { kept: true } }));
  ok(await files().copy("move/a.png", "move/copy.png"));
  ok(await files().move("move/a.png", "move/b.png"));
  refused(await files().download("move/a.png"), "404");
  assert.deepEqual({ ...ok(await files().info("move/copy.png")).metadata }, { kept: true });

  ok(await files().move("move/b.png", "shown.png", { destinationBucket: publicBucket }));
  assert.equal(ok(await shared.download("shown.png")).size, 50);
  refused(await files().info("move/b.png"), "404");
  ok(await shared.move("shown.png", "move/b.png", { destinationBucket: bench.privateBucket }));
  assert.equal((await fetch(shared.getPublicUrl("shown.png").data.publicUrl)).status, 400);
  ok(await files().copy("move/b.png", "copied.png", { destinationBucket: publicBucket }));
  assert.equal(ok(await shared.download("copied.png")).size, 50);

  refused(await files().move("move/b.png", "move/copy.png"), "409");
  refused(await files().copy("move/b.png", "move/copy.png"), "409");
  refused(await files().move("move/none.png", "move/c.png"), "404");
  refused(await files().move("move/b.png", "x.png", { destinationBucket: "no-such" }), "404");
  assert.equal(ok(await files().download("move/b.png")).size, 50);
});

Deno.test("remove() returns what it deleted", async () => {
  const [kept, gone] = [fresh(), fresh()];
  for (const key of [kept, gone]) ok(await files().upload(key, png()));
  assert.deepEqual(ok(await files().remove([gone, "never-was.png"])).map((it) => it.name), [gone]);
  refused(await files().download(gone), "404", /Object not found/);
  assert.deepEqual(ok(await files().exists(kept)), true);
  assert.equal((await files().exists(gone)).data, false);
});
