import { Buffer } from "node:buffer";
import { ApiError, invalidField } from "../_shared/errors.ts";

/** Largest selfie that a data URL may carry, decoded. Larger ones go through upload-url. */
const MAX_INLINE_PHOTO_BYTES = 7 * 1024 * 1024;

/** A picture format that the provider takes. */
export interface PhotoType {
  contentType: "image/jpeg" | "image/png" | "image/webp";
  extension: "jpg" | "png" | "webp";
}

const JPEG: PhotoType = { contentType: "image/jpeg", extension: "jpg" };
const PNG: PhotoType = { contentType: "image/png", extension: "png" };
const WEBP: PhotoType = { contentType: "image/webp", extension: "webp" };

/** The format of a picture by its first 12 bytes, whatever anybody calls it; null for anything else. */
export function sniffPhoto(bytes: Uint8Array): PhotoType | null {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  if (head.startsWith("\xff\xd8\xff")) return JPEG;
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return PNG;
  if (head.startsWith("RIFF") && head.slice(8) === "WEBP") return WEBP;
  return null;
}

/**
 * Reads the photo of a data URL.
 * @throws {ApiError} PAYLOAD_TOO_LARGE above 7 MB, INVALID_IMAGE unless it is a complete picture
 */
export function readDataUrl(url: string): { bytes: Uint8Array<ArrayBuffer>; type: PhotoType } {
  const match = /^data:image\/[a-z+.-]+;base64,/i.exec(url);
  if (match === null) throw invalidField("user_photo", "must be data:image/…;base64,…");
  const base64 = url.slice(match[0].length);
  if (base64.length * 0.75 > MAX_INLINE_PHOTO_BYTES + 2) throw new ApiError("PAYLOAD_TOO_LARGE");
  if (base64.length % 4 === 1 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw invalidImage("the base64 text is damaged");
  }
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  const type = sniffPhoto(bytes);
  if (type === null) throw invalidImage("not a JPEG, PNG or WebP picture");
  if (!isComplete(bytes, type)) throw invalidImage("the picture is cut off");
  return { bytes, type };
}

function invalidImage(message: string): ApiError {
  return new ApiError("INVALID_IMAGE", { details: [{ field: "user_photo", message }] });
}

/** Whether the end of the picture is there: cut-off uploads begin like real ones. */
function isComplete(bytes: Uint8Array, type: PhotoType): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case PNG:
      return buffer.includes("IEND", 8, "latin1");
    case WEBP:
      return buffer.length >= 12 && buffer.readUInt32LE(4) + 8 <= buffer.length;
    default:
      return hasJpegEnd(buffer);
  }
}

/** JPEG: the end marker counts only after the scan begins; thumbnails inside the header have their own. */
function hasJpegEnd(buffer: Buffer): boolean {
  let at = 2;
  while (at + 4 <= buffer.length && buffer[at] === 0xff) {
    const marker = buffer[at + 1];
    if (marker === 0xda) return buffer.includes("\xff\xd9", at, "latin1");
    // 0xff may pad the space between segments.
    at += marker === 0xff ? 1 : 2 + buffer.readUInt16BE(at + 2);
  }
  return false;
}

/** Lower-case hexadecimal sha-256. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
}
