import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { StoredZip } from "../../supabase/functions/event-admin/export/zip.ts";
import { readArchive } from "./archive.ts";

const files = ["00001_a.png", "manifest.csv"].map((name) => ({
  name,
  bytes: crypto.getRandomValues(new Uint8Array(500)),
}));

function makeArchive(entries = files): Uint8Array<ArrayBuffer> {
  const zip = new StoredZip();
  const pieces: Uint8Array[] = [];
  for (const { name, bytes } of entries) {
    const fingerprint = { bytes: bytes.length, crc32: crc32(bytes) };
    pieces.push(zip.begin({ name, modified: "2026-11-21T23:15:04", ...fingerprint }), bytes);
  }
  return new Uint8Array(Buffer.concat([...pieces, zip.end()]));
}

/** Reads an archive that arrives in chunks of `size` bytes. */
async function readAll(archive: Uint8Array<ArrayBuffer>, size = 64) {
  const chunks = Array.from(
    { length: Math.ceil(archive.length / size) },
    (_, i) => archive.slice(i * size, (i + 1) * size),
  );
  const read = [];
  for await (const { name, chunks: bytes } of readArchive(ReadableStream.from(chunks))) {
    read.push({ name, bytes: new Uint8Array(Buffer.concat(await Array.fromAsync(bytes))) });
  }
  return read;
}

Deno.test("readArchive() gives the files, however the archive is cut on its way", async () => {
  for (const size of [1, 7, 64, 100_000]) {
    assert.deepEqual(await readAll(makeArchive(), size), files, `${size} bytes`);
  }
});

Deno.test("readArchive() fails when the archive breaks off before its directory", async () => {
  const archive = makeArchive();
  for (const length of [0, 10, 35, 300, 545, 700, 1050]) {
    await assert.rejects(readAll(archive.slice(0, length)), /broke off/, `${length} bytes`);
  }
});

Deno.test("readArchive() fails when a byte of a file changed", async () => {
  const archive = makeArchive();
  archive[100]! ^= 1;
  await assert.rejects(readAll(archive), /damaged/);
});

Deno.test("readArchive() takes no file that would leave the folder, and nothing else", async () => {
  for (const name of ["../a.png", "/a.png", "a/b.png", ".ssh", ""]) {
    const entry = { name, bytes: files[0]!.bytes };
    await assert.rejects(readAll(makeArchive([entry])), /odd name/, name);
  }
  const page = new TextEncoder().encode("<html>a page of somebody in between</html>");
  await assert.rejects(readAll(page), /no archive/);
});
