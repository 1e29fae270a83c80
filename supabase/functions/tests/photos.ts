// Photos and requests for them, whatever stack they are for.
import { randomInt } from "node:crypto";
import sharp from "sharp";

/** A real photograph-like JPEG, small. */
export async function makePhoto(width = 480, height = 640): Promise<Uint8Array<ArrayBuffer>> {
  const noise = { type: "gaussian" as const, mean: 128, sigma: 40 };
  return new Uint8Array(
    await sharp({ create: { width, height, channels: 3, background: "#c08060", noise } }).jpeg()
      .toBuffer(),
  );
}

/** The same as a data URL. */
export function toDataUrl(bytes: Uint8Array, type = "image/jpeg"): string {
  return `data:${type};base64,${Buffer.from(bytes).toString("base64")}`;
}

/** A valid guest request; what a test is about is overridden. */
export async function guestRequest(eventSlug: string, changes: Record<string, unknown> = {}) {
  return {
    user_photo: toDataUrl(await makePhoto()),
    model_id: "pb_a",
    event_slug: eventSlug,
    guest_id: `guest_${randomInt(2 ** 40).toString(36)}`,
    ...changes,
  };
}
