// The export: all pictures of an event in parts, whole and in order whatever happens meanwhile.
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  addExported,
  addManyExported,
  fetchPart,
  fileOf,
  makePng,
  openPart,
} from "./export_fixtures.ts";
import { finished } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { callHost, createHostedEvent } from "./host.ts";
import { countSockets, findProcess } from "./process_usage.ts";
import { callFunction, eventually, sql, stack, test } from "./stack.ts";

const picture = await makePng(40);

/** Seconds. Later, the garbage collector would close what was forgotten. */
const SOON = 0.8;

test("an event's pictures come as an archive, named in its own time, with a manifest", async () => {
  const { id, slug, host } = await createHostedEvent({
    columns: { config: { timezone: "Asia/Tokyo" } },
  });
  const other = await makePng(50);
  const photos = [await addExported(id, picture), await addExported(id, other)];

  const listed = await callHost(host, "GET", "export");
  assert.equal(listed.status, 200);
  const bytes = picture.length + other.length;
  const [part] = listed.body.parts;
  assert.deepEqual([listed.body.photos, listed.body.bytes, listed.body.parts.length], [
    2,
    bytes,
    1,
  ]);
  assert.deepEqual([part.part, part.photos, part.bytes], [1, 2, bytes]);

  const response = await fetch(part.url, { headers: { "x-host-token": host.pinToken } });
  assert.equal(response.headers.get("content-disposition"), `attachment; filename="${slug}-1.zip"`);
  assert.equal(response.headers.get("cache-control"), "private, no-store");
  const { files, lines, manifest } = await openPart(response);
  const names = ["00001", "00002"].map((number) => `${number}_2026-11-22_11-15-04_pb_a.png`);
  assert.deepEqual(files, [
    { name: names[0], modified: "2026-11-22T11:15:04", bytes: new Uint8Array(picture) },
    { name: names[1], modified: "2026-11-22T11:15:04", bytes: new Uint8Array(other) },
  ]);
  const rest = ["pb_a", "2026-11-22T11:15:04", "2026-11-22T02:15:04.000Z", "3:4", "visible"];
  assert.deepEqual(lines.slice(1), [
    [names[0], ...rest, String(picture.length), "ok"],
    [names[1], ...rest, String(other.length), "ok"],
  ]);
  const text = new TextDecoder().decode(manifest.bytes);
  for (const photo of photos) assert.ok(!text.includes(photo.id), "an id is the guest's key");
});

test("a part keeps its photos whatever is shown, hidden, deleted or made meanwhile", async () => {
  const { id, host } = await createHostedEvent();
  const [, deleted] = [await addExported(id, picture), await addExported(id, picture)];
  await addExported(id, picture, { visibility: "hidden" });
  await addExported(id, picture, { visibility: "pending" });
  const last = await addExported(id, picture);
  await callHost(host, "DELETE", `photos/${deleted.id}`);
  const numbersOf = async (query: string) => {
    const { lines } = await openPart(await fetchPart(host, query));
    return lines.slice(1).map((
      [name, , , , , visibility],
    ) => [Number(name!.slice(0, 5)), visibility]);
  };

  assert.deepEqual(await numbersOf("part=1"), [[1, "visible"], [5, "visible"]]);
  assert.deepEqual(await numbersOf("part=1&visibility=all"), [
    [1, "visible"],
    [3, "hidden"],
    [4, "pending"],
    [5, "visible"],
  ]);
  assert.equal((await callHost(host, "GET", "export")).body.photos, 2);
  const { body } = await callHost(host, "GET", "export?visibility=all");
  assert.equal(body.photos, 4);
  assert.match(body.parts[0].url, /visibility=all/);

  await callHost(host, "PATCH", `photos/${last.id}`, { visibility: "hidden" });
  await addExported(id, picture);
  assert.deepEqual(await numbersOf("part=1"), [[1, "visible"], [6, "visible"]]);
});

test("missing pictures are survived and listed, wherever they were lost", async () => {
  const { id, host } = await createHostedEvent();
  await addExported(id, picture);
  await addExported(id, picture, { bucket: null }); // no object
  const { path } = await addExported(id, picture); // an object without its file
  await Deno.remove(await fileOf("generations", path));
  await addExported(id, picture, { bucket: "generations_private" }); // on its way to the gallery
  const { files, lines } = await openPart(await fetchPart(host, "part=1"));
  assert.equal(files.length, 2);
  const size = String(picture.length);
  assert.deepEqual(lines.slice(1).map((cells) => cells.slice(-2)), [
    [size, "ok"],
    ["", "missing"],
    ["", "missing"],
    [size, "ok"],
  ]);
});

test("pictures of which nothing, or something else, was noted arrive whole", async () => {
  const { id, host } = await createHostedEvent();
  await addExported(id, picture, { noted: null });
  await addExported(id, picture, { noted: { bytes: picture.length + 1, crc32: 1 } });
  const { files } = await openPart(await fetchPart(host, "part=1"));
  assert.deepEqual(
    files.map(({ bytes }) => bytes),
    [picture, picture].map((p) => new Uint8Array(p)),
  );
});

test("a download breaks visibly when storage does in the middle of a picture", async () => {
  const { id, host } = await createHostedEvent();
  const large = await makePng(400);
  await addExported(id, picture);
  const { path } = await addExported(id, large);
  await Deno.truncate(await fileOf("generations", path), large.length / 2);
  const response = await fetchPart(host, "part=1");
  assert.equal(response.status, 200);
  await assert.rejects(response.bytes());
  await callHost(host, "GET", "event"); // and the function goes on
});

test("what a picture is archived by is noted when it is made", async () => {
  const { id, slug, host } = await createHostedEvent();
  const { body } = await callFunction("cabina-vision", await guestRequest(slug));
  await finished(body.generation_id);
  const { files } = await openPart(await fetchPart(host, "part=1"));
  const [noted] = await sql`
    select bytes, crc32::text as crc32 from private.stored_pictures
    join public.generations on generations.id = generation_id where event_id = ${id}`;
  assert.deepEqual({ ...noted }, {
    bytes: files[0]!.bytes.length,
    crc32: String(crc32(files[0]!.bytes)),
  });
});

test("who goes away in the middle leaves nothing open", async () => {
  const { id, host } = await createHostedEvent();
  await addManyExported(id, [await makePng(1000)], 20);
  const process = await findProcess("event-admin", stack.api_url);
  if (process === null) return console.log("  this system does not tell what a process has open");
  await (await fetchPart(host, "part=1")).bytes();
  const before = await countSockets(process);

  const readers = await Promise.all(Array.from({ length: 8 }, async () => {
    const leaving = new AbortController();
    const response = await fetchPart(host, "part=1", leaving.signal);
    await response.body!.getReader().read();
    return leaving;
  }));
  assert.ok(await countSockets(process) >= before + readers.length, "pictures are being read");
  for (const reader of readers) reader.abort();
  await eventually(
    "the end of all reading",
    async () => await countSockets(process) <= before,
    SOON,
  );
});
