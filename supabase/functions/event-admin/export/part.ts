import { crc32 } from "../../_shared/fingerprint.ts";
import { toBody } from "./body.ts";
import { type ExportPhoto, manifestHead, manifestLine, nameOf } from "./manifest.ts";
import { locate, openInOrder, type OpenPicture } from "./pictures.ts";
import { StoredZip } from "./zip.ts";

/**
 * A part of an export as a ZIP archive: the pictures, and `manifest.csv` behind them, which knows by
 * then which were missing. When a picture breaks off, so does the archive: a broken download shows.
 *
 * @param onError gets to know why it broke
 * @throws {ApiError} UNAVAILABLE when storage does not answer
 */
export async function openPart(
  photos: ExportPhoto[],
  onError: (error: unknown) => void,
): Promise<ReadableStream<Uint8Array>> {
  const urls = await locate(photos);
  return toBody(writePart(openInOrder(photos, urls)), onError);
}

async function* writePart(
  pictures: AsyncIterable<[ExportPhoto, OpenPicture | null]>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const zip = new StoredZip();
  let manifest = manifestHead;
  let modified = "1980-01-01T00:00:00";
  for await (const [photo, picture] of pictures) {
    manifest += manifestLine(photo, picture && picture.bytes);
    modified = photo.created_local;
    if (picture === null) continue;
    yield zip.begin({ name: nameOf(photo), modified, ...picture });
    yield* exactly(picture);
  }
  const text = new TextEncoder().encode(manifest);
  yield zip.begin({
    name: "manifest.csv",
    modified,
    bytes: text.length,
    crc32: crc32(text),
  });
  yield text;
  yield zip.end();
}

/** The bytes of a picture, of which the archive has already said how many there are. */
async function* exactly(
  { body, bytes }: OpenPicture,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let left = bytes;
  for await (const chunk of body) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) {
    throw new Error(`a picture of ${bytes} bytes had another length`);
  }
}
