import assert from "node:assert/strict";
import { crc32 as referenceCrc32 } from "node:zlib";
import { crc32, createFingerprint } from "./fingerprint.ts";

Deno.test("crc32() is that of ZIP, for every length around its steps", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(1000));
  for (let length = 0; length < 40; length++) {
    const part = bytes.subarray(length, 2 * length);
    assert.equal(crc32(part), referenceCrc32(part), `${length} bytes`);
  }
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  for (const cut of [0, 1, 7, 8, 500, 1000]) {
    const joined = crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)));
    assert.equal(joined, referenceCrc32(bytes), `cut at ${cut}`);
  }
});

Deno.test("createFingerprint() measures what passes and changes nothing", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  const { through, fingerprint } = createFingerprint();
  const passed = await new Response(
    new Blob([bytes]).stream().pipeThrough(through),
  ).bytes();
  assert.deepEqual(passed, bytes);
  assert.deepEqual(fingerprint, {
    bytes: 50_000,
    crc32: referenceCrc32(bytes),
  });
});
