import assert from "node:assert/strict";
import sharp from "sharp";
import { readDataUrl, sniffPhoto } from "./photo.ts";

const canvas = () => sharp({ create: { width: 64, height: 64, channels: 3, background: "teal" } });
const formats = {
  jpeg: await canvas().jpeg().toBuffer(),
  // A header with a thumbnail-like end marker in it must not hide that the scan is cut off.
  "jpeg with metadata": await canvas().withExif({ IFD0: { Copyright: "\xff\xd9" } }).jpeg()
    .toBuffer(),
  png: await canvas().png().toBuffer(),
  webp: await canvas().webp().toBuffer(),
};
const dataUrl = (bytes: Uint8Array) =>
  `data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}`;
const codeOf = (url: string) => {
  try {
    readDataUrl(url);
    return "accepted";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

Deno.test("readDataUrl() goes by the bytes, not by what the address says", () => {
  assert.equal(readDataUrl(dataUrl(formats.png)).type.extension, "png");
  assert.equal(readDataUrl(dataUrl(formats.webp)).type.contentType, "image/webp");
  assert.deepEqual(Buffer.from(readDataUrl(dataUrl(formats.jpeg)).bytes), formats.jpeg);
});

Deno.test("readDataUrl() refuses pictures that are cut off anywhere", () => {
  for (const [name, bytes] of Object.entries(formats)) {
    assert.equal(codeOf(dataUrl(bytes)), "accepted", name);
    for (const part of [0.2, 0.5, 0.9]) {
      assert.equal(
        codeOf(dataUrl(bytes.subarray(0, bytes.length * part))),
        "INVALID_IMAGE",
        `${part} of ${name}`,
      );
    }
  }
});

Deno.test("readDataUrl() survives every prefix and random bytes behind a JPEG head", () => {
  for (let length = 0; length < formats.jpeg.length; length += 7) {
    assert.equal(codeOf(dataUrl(formats.jpeg.subarray(0, length))), "INVALID_IMAGE");
  }
  for (let run = 0; run < 200; run++) {
    const noise = crypto.getRandomValues(new Uint8Array(40));
    noise.set([0xff, 0xd8, 0xff, 0xe0]);
    assert.match(codeOf(dataUrl(noise)), /^(INVALID_IMAGE|accepted)$/);
  }
});

Deno.test("sniffPhoto() knows nothing but JPEG, PNG and WebP", () => {
  assert.equal(sniffPhoto(new TextEncoder().encode("<svg xmlns='…'>")), null);
  assert.equal(sniffPhoto(new TextEncoder().encode("GIF89a.........")), null);
  assert.equal(sniffPhoto(new Uint8Array()), null);
});
