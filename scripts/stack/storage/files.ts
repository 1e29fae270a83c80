import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Bytes } from "./body.ts";
import { entityTooLarge } from "./errors.ts";

/** What was written: its length and the quoted MD5 that the hosted service uses as entity tag. */
export interface WrittenFile {
  size: number;
  etag: string;
}

/** The bytes of every object, one file a version. */
export interface FileStore {
  /**
   * Streams `body` into a new version while counting. A version appears whole or not at all.
   * @throws StorageError EntityTooLarge beyond `limit`, and whatever the stream throws
   */
  write(
    bucket: string,
    version: string,
    body: Bytes,
    limit: number,
  ): Promise<WrittenFile>;
  /** Copies a version, without reading it into memory. Throws Deno.errors.NotFound. */
  copy(from: FileName, to: FileName): Promise<void>;
  /** A stream of `length` bytes from `start`. Throws Deno.errors.NotFound. */
  read(file: FileName, start: number, length: number): Promise<ReadableStream<Uint8Array>>;
  /** Deletes a version; one that is already gone is fine. */
  remove(file: FileName): Promise<void>;
}

/** A version on disk. `bucket` must have passed checkBucket; `version` is a UUID of ours. */
export interface FileName {
  bucket: string;
  version: string;
}

const CHUNK = 64 * 1024;

/**
 * Files as `<directory>/<bucket>/<version uuid>`: an object's key is never part of a path, and a
 * version is never changed, so that a reader and an overwrite cannot meet.
 */
export function createFileStore(directory: string): FileStore {
  const pathOf = (file: FileName) => join(directory, file.bucket, file.version);

  /** Lets `fill` make a temporary file, then gives it its name in one step. */
  async function appear<T>(file: FileName, fill: (temporary: string) => Promise<T>): Promise<T> {
    const temporary = `${pathOf(file)}.part`;
    await Deno.mkdir(join(directory, file.bucket), { recursive: true });
    try {
      const result = await fill(temporary);
      await Deno.rename(temporary, pathOf(file));
      return result;
    } catch (cause) {
      await removeIfPresent(temporary);
      throw cause;
    }
  }

  return {
    write: (bucket, version, body, limit) =>
      appear({ bucket, version }, (temporary) => writeCounting(temporary, body, limit)),
    copy: (from, to) => appear(to, (temporary) => Deno.copyFile(pathOf(from), temporary)),
    read: async (file, start, length) => streamRange(await Deno.open(pathOf(file)), start, length),
    remove: (file) => removeIfPresent(pathOf(file)),
  };
}

async function writeCounting(
  path: string,
  body: Bytes,
  limit: number,
): Promise<WrittenFile> {
  const hash = createHash("md5");
  let size = 0;
  using file = await Deno.open(path, { write: true, createNew: true });
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw entityTooLarge();
    hash.update(chunk);
    for (let at = 0; at < chunk.byteLength;) at += await file.write(chunk.subarray(at));
  }
  return { size, etag: `"${hash.digest("hex")}"` };
}

/** Reads on demand, so that a slow client holds one chunk and not the picture. */
async function streamRange(
  file: Deno.FsFile,
  start: number,
  length: number,
): Promise<ReadableStream<Uint8Array>> {
  if (start > 0) await file.seek(start, Deno.SeekMode.Start);
  let left = length;
  return new ReadableStream({
    async pull(controller) {
      const chunk = new Uint8Array(Math.min(CHUNK, left));
      const count = left > 0 ? await file.read(chunk) : 0;
      if (count === null) {
        file.close();
        throw new Error(`Stored file ended ${left} bytes early`);
      }
      if (count > 0) controller.enqueue(chunk.subarray(0, count));
      left -= count;
      if (left === 0) {
        file.close();
        controller.close();
      }
    },
    cancel: () => file.close(),
  });
}

async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
}
