import { createFingerprint, type Fingerprint } from "../../_shared/fingerprint.ts";
import { readUrls } from "../../_shared/storage.ts";
import { empty } from "./body.ts";
import type { ExportPhoto } from "./manifest.ts";

/** A picture that is ready to be sent. */
export interface OpenPicture extends Fingerprint {
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Pictures opened before it is their turn: storage takes longer to find one than to send it. */
const AHEAD = 2;
/** How long storage may take to find a picture. */
const TIMEOUT_MS = 20_000;

/** Where the pictures can be read, by path; those that do not exist are not in it. @throws {ApiError} UNAVAILABLE */
export async function locate(
  photos: ExportPhoto[],
): Promise<Map<string, string>> {
  const urls = new Map<string, string>();
  await Promise.all(
    (["generations", "generations_private"] as const).map(async (bucket) => {
      const own = photos.filter((photo) => photo.bucket === bucket).map((
        { path },
      ) => path);
      const found = await readUrls(bucket, own);
      // Just shown or hidden: the file is on its way.
      const astray = own.filter((path) => !found.has(path));
      const other = bucket === "generations" ? "generations_private" : "generations";
      for (const [path, url] of [...found, ...await readUrls(other, astray)]) {
        urls.set(path, url);
      }
    }),
  );
  return urls;
}

/**
 * Opens pictures in their order, a few ahead of their turn; null for one that does not exist. Whoever
 * leaves the loop early leaves no picture open.
 */
export async function* openInOrder(
  photos: ExportPhoto[],
  urls: Map<string, string>,
): AsyncGenerator<[ExportPhoto, OpenPicture | null]> {
  const opened: Promise<OpenPicture | null>[] = [];
  try {
    for (const [turn, photo] of photos.entries()) {
      for (const next of photos.slice(turn + opened.length, turn + 1 + AHEAD)) {
        const opening = openPicture(next, urls.get(next.path));
        opening.catch(() => {}); // noticed when it is its turn, if ever
        opened.push(opening);
      }
      yield [photo, await opened[0]!];
      opened.shift();
    }
  } finally {
    for (const opening of opened) {
      opening.then((picture) => picture?.body.cancel()).catch(() => {});
    }
  }
}

async function openPicture(
  photo: ExportPhoto,
  url: string | undefined,
): Promise<OpenPicture | null> {
  if (url === undefined) return null;
  const response = await request(url);
  if (response === null) return null;
  // Two attempts at one photo may both have arrived: only what has the length that was noted is it.
  const length = Number(response.headers.get("content-length") ?? NaN);
  if (photo.crc32 !== null && photo.bytes === length) {
    return { body: response.body!, bytes: length, crc32: photo.crc32 };
  }

  // Not noted: read once to learn, and again to send.
  const { through, fingerprint } = createFingerprint();
  await response.body!.pipeThrough(through).pipeTo(
    new WritableStream({ write: empty }),
  );
  const again = await request(url);
  return again && { body: again.body!, ...fingerprint };
}

/** Null when storage says that there is no such object. @throws {Error} when it says anything else */
async function request(url: string): Promise<Response | null> {
  const patience = new AbortController();
  const timer = setTimeout(
    () => patience.abort(new Error("storage does not answer")),
    TIMEOUT_MS,
  );
  const response = await fetch(url, {
    headers: { "accept-encoding": "identity" }, // else the length is not told
    signal: patience.signal,
  }).finally(() => clearTimeout(timer));
  if (response.ok) return response;
  // Storage answers 400 to nearly everything; what it means is in the body.
  const text = await response.text();
  if (/"statusCode":\s*"404"/.test(text)) return null;
  throw new Error(`storage answered ${response.status}: ${text.slice(0, 200)}`);
}
