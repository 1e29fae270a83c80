import { Buffer } from "node:buffer";
import sharp, { type OverlayOptions } from "sharp";
import { seededRandom } from "./faults.ts";
import { chooseLook, type Look } from "./looks.ts";
import type { Job } from "./models.ts";
import { drawScenery } from "./scenery.ts";

sharp.concurrency(1);
const AT_ONCE = 2;
const waiting: (() => void)[] = [];
let rendering = 0;

/** The bytes given as photo are no picture. */
export class UnreadablePhoto extends Error {
  override readonly name = "UnreadablePhoto";
}

/**
 * Makes the picture of a job: the photo cropped to the ratio, graded, lit and captioned as the prompt wants. The same
 * photo and job give the same bytes. Without a photo a plain backdrop takes its place.
 *
 * @param longEdge pixels of the long edge at 1K; 2K and 4K are two and four times as large.
 * @throws UnreadablePhoto when the photo is no picture that can be decoded.
 */
export async function renderPicture(
  photo: Uint8Array | undefined,
  job: Pick<Job, "prompt" | "ratio" | "resolution" | "format">,
  longEdge: number,
): Promise<Uint8Array> {
  if (rendering >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else rendering += 1;
  try {
    if (photo !== undefined) await assertReadable(photo);
    const edge = longEdge * { "1K": 1, "2K": 2, "4K": 4 }[job.resolution];
    const { width, height } = frame(await ratioOf(job.ratio, photo), edge);
    return await paint(photo, chooseLook(job.prompt), width, height, job.format);
  } finally {
    // The place goes to who waits; only when nobody does is it free.
    const next = waiting.shift();
    if (next === undefined) rendering -= 1;
    else next();
  }
}

/** A flat magenta picture, for links that nobody should follow. */
export function forgedPicture(): Promise<Uint8Array> {
  return sharp({ create: { width: 512, height: 512, channels: 3, background: "#ff00ff" } }).png()
    .toBuffer();
}

async function paint(
  photo: Uint8Array | undefined,
  look: Look,
  width: number,
  height: number,
  format: Job["format"],
): Promise<Uint8Array> {
  const base = photo === undefined ? backdrop(width, height) : sharp(photo).autoOrient();
  const { matrix, offset } = grade(look);
  // Two passes: within one, sharp grades what was composited as well, the frame and the light included.
  const graded = await base
    // Attention looks for skin and keeps faces in the crop.
    .resize(width, height, { fit: "cover", position: sharp.strategy.attention })
    .flatten({ background: "#808080" })
    .toColourspace("srgb")
    .recomb(matrix)
    .linear([1, 1, 1], offset)
    .raw()
    .toBuffer();
  const picture = sharp(graded, { raw: { width, height, channels: 3 } })
    .composite(overlays(look, width, height));
  const encoded = format === "png"
    ? picture.png({ compressionLevel: 3 })
    : picture.jpeg({ quality: 88 });
  return await encoded.toBuffer();
}

/** Saturation, two tones and contrast are all linear in the colour: one matrix and one offset do them. */
function grade(look: Look): { matrix: [Row, Row, Row]; offset: Row } {
  const { shadow, highlight, tone, contrast, saturation } = look;
  const row = (channel: number) =>
    LUMA.map((weight, source) => {
      const colour = saturation * (source === channel ? 1 : 0) + (1 - saturation) * weight;
      const toned = weight * ((highlight[channel] ?? 0) - (shadow[channel] ?? 0)) / 255;
      return contrast * (tone * toned + (1 - tone) * colour);
    }) as Row;
  const offset = shadow.map((value) => contrast * (tone * value - 128) + 128) as Row;
  return { matrix: [row(0), row(1), row(2)], offset };
}
type Row = [number, number, number];
const LUMA: Row = [0.299, 0.587, 0.114];

function overlays(look: Look, width: number, height: number): OverlayOptions[] {
  const { random } = look;
  const margin = Math.round(Math.min(width, height) * 0.03);
  const strip = Math.round(Math.min(width, height) * 0.1);
  const scenery = drawScenery(look.scenery, { width, height: height - strip, random }, look.ink);
  const vignette = `<radialGradient id="v" cx="50%" cy="45%" r="75%">
    <stop offset="0.45" stop-color="#000" stop-opacity="0"/>
    <stop offset="1" stop-color="#000" stop-opacity="${look.vignette}"/></radialGradient>
    <rect width="100%" height="100%" fill="url(#v)"/>`;
  const size = Math.min(strip * 0.42, 1.3 * width / Math.max(1, look.caption.length));
  const caption = `
    <path fill="${look.paper}" fill-rule="evenodd" d="M0 0H${width}V${height}H0Z
      M${margin} ${margin}H${width - margin}V${height - strip}H${margin}Z"/>
    <text x="50%" y="${height - strip / 2}" dy="0.35em" text-anchor="middle" fill="${look.ink}"
      font-family="Georgia, 'DejaVu Serif', serif" font-weight="bold" font-size="${size}"
      letter-spacing="${size * 0.12}">${look.caption.replace(/[<>&"']/g, "")}</text>`;
  const drawn = svg(vignette + scenery, width, height);
  // An overlay may not be larger than the picture, which in a 1:8 strip is narrow.
  const side = Math.min(256, width, height);
  const grain: OverlayOptions[] = look.grain === 0 ? [] : [{
    input: noise(side, look.grain),
    raw: { width: side, height: side, channels: 4 },
    tile: true,
    blend: "overlay",
  }];
  return [{ input: drawn }, ...grain, { input: svg(caption, width, height) }];
}

function svg(content: string, width: number, height: number): Buffer {
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${content}</svg>`,
  );
}

/** A tile of film grain, grey in the middle: where it is grey, `overlay` changes nothing. */
function noise(side: number, strength: number): Buffer {
  const random = seededRandom(1922);
  const pixels = Buffer.alloc(side * side * 4);
  for (let at = 0; at < pixels.length; at += 4) {
    const grey = 128 + (random() + random() - 1) * 127 * strength;
    pixels.set([grey, grey, grey, 255], at);
  }
  return pixels;
}

function backdrop(width: number, height: number) {
  const light =
    `<radialGradient id="b" cx="50%" cy="35%" r="80%"><stop offset="0" stop-color="#e8e8e8"/>
    <stop offset="1" stop-color="#3c3c3c"/></radialGradient><rect width="100%" height="100%" fill="url(#b)"/>`;
  return sharp(svg(light, width, height));
}

async function assertReadable(photo: Uint8Array): Promise<void> {
  try {
    // Reads the whole file: a sound header alone would let a broken one pass.
    await sharp(photo).resize(1, 1).raw().toBuffer();
  } catch (cause) {
    throw new UnreadablePhoto("The photo cannot be decoded", { cause });
  }
}

async function ratioOf(ratio: string, photo: Uint8Array | undefined): Promise<number> {
  if (ratio !== "auto") {
    const [wide = 1, high = 1] = ratio.split(":").map(Number);
    return wide / high;
  }
  if (photo === undefined) return 1;
  const { autoOrient } = await sharp(photo).metadata();
  return autoOrient.width / autoOrient.height;
}

function frame(ratio: number, edge: number): { width: number; height: number } {
  return ratio >= 1
    ? { width: edge, height: Math.max(1, Math.round(edge / ratio)) }
    : { width: Math.max(1, Math.round(edge * ratio)), height: edge };
}
