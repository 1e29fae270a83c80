import assert from "node:assert/strict";
import sharp from "sharp";
import { renderPicture } from "./pictures.ts";

const photo = await Deno.readFile(new URL("../../../examples/guest/photo.jpg", import.meta.url));
const PROMPTS = {
  peaky: "A Peaky Blinders gangster of the 1920s",
  suits: "A lawyer in Suits",
  wick: "John Wick in neon noir",
  unknown: "A viking at sea",
  other: "A queen of the moon",
};

function render(
  prompt: string,
  ratio = "3:4",
  resolution: "1K" | "2K" = "1K",
  format: "png" | "jpeg" = "jpeg",
) {
  return renderPicture(photo, { prompt, ratio, resolution, format }, 300);
}

// Of the inside: the frame has a colour of its own.
async function meanColour(picture: Uint8Array): Promise<number[]> {
  const { width, height } = await sharp(picture).metadata();
  const inside = { left: width >> 2, top: height >> 2, width: width >> 1, height: height >> 1 };
  const cut = await sharp(picture).extract(inside).toColourspace("srgb").png().toBuffer();
  return (await sharp(cut).stats()).channels.slice(0, 3).map((channel) => channel.mean);
}

function distance(a: number[], b: number[]): number {
  return Math.hypot(...a.map((value, index) => value - (b[index] ?? 0)));
}

Deno.test("renderPicture() makes looks that differ from the photo and from each other", async () => {
  const pictures = await Promise.all(Object.values(PROMPTS).map((prompt) => render(prompt)));
  const colours = [await meanColour(photo), ...await Promise.all(pictures.map(meanColour))];
  const names = ["photo", ...Object.keys(PROMPTS)];
  for (const [i, one] of colours.entries()) {
    for (const [j, other] of colours.entries()) {
      if (i < j) {
        assert.ok(distance(one, other) > 8, `${names[i]} and ${names[j]}: ${one} ${other}`);
      }
    }
  }
});

Deno.test("renderPicture() grades as the prompt wants: sepia, cool, neon", async () => {
  const [red = 0, green = 0, blue = 0] = await meanColour(await render(PROMPTS.peaky));
  assert.ok(red > green && green > blue, "sepia");
  const [, , neon = 0] = await meanColour(await render(PROMPTS.wick));
  assert.ok(neon > blue + 20, "violet");
});

Deno.test("renderPicture() gives the same bytes for the same photo and job", async () => {
  assert.deepEqual(await render(PROMPTS.wick), await render(PROMPTS.wick));
});

const sizes: [string, number, number][] = [
  ["1:1", 300, 300],
  ["4:3", 300, 225],
  ["3:4", 225, 300],
  ["16:9", 300, 169],
  ["9:16", 169, 300],
  ["4:5", 240, 300],
  ["21:9", 300, 129],
  ["1:8", 38, 300],
  ["auto", 225, 300],
];

Deno.test("renderPicture() has the dimensions of each ratio and resolution", async () => {
  for (const [ratio, width, height] of sizes) {
    const meta = await sharp(await render(PROMPTS.suits, ratio)).metadata();
    assert.deepEqual([meta.width, meta.height], [width, height], ratio);
  }
  const large = await sharp(await render(PROMPTS.suits, "3:4", "2K", "png")).metadata();
  assert.deepEqual([large.width, large.height, large.format], [450, 600, "png"]);
});

Deno.test("renderPicture() rejects bytes that are no picture, and needs none at all", async () => {
  const job = { prompt: "A viking", ratio: "1:1", resolution: "1K", format: "png" } as const;
  await assert.rejects(renderPicture(new TextEncoder().encode("no picture"), job, 300));
  assert.equal((await sharp(await renderPicture(undefined, job, 300)).metadata()).width, 300);
});
