import { crc32 } from "node:zlib";

/** A file of an archive that arrives. */
export interface ArrivingFile {
  name: string;
  /** To be read to its end before the next file; fails when the checksum is not that of the archive. */
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const HEADER_BYTES = 30;
/** What the server names its files: no folders, so that none leads out of the folder of the export. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/**
 * The files of an archive of `host/export.zip`, while it arrives: they are stored as they are, with
 * their lengths in front.
 * @throws {Error} when the archive breaks off or is no such archive
 */
export async function* readArchive(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<ArrivingFile> {
  const bytes = new ByteReader(stream);
  try {
    while (true) {
      const header = new DataView((await bytes.take(HEADER_BYTES)).buffer);
      const signature = header.getUint32(0, true);
      // The directory says again what was said; that it has come means that all files have.
      if (signature === CENTRAL_HEADER) return;
      if (signature !== LOCAL_HEADER || header.getUint16(8, true) !== 0) {
        throw new Error("the server sent something that is no archive of stored files");
      }
      const nameLength = header.getUint16(26, true);
      const name = new TextDecoder().decode(await bytes.take(nameLength));
      await bytes.take(header.getUint16(28, true));
      if (!NAME.test(name)) throw new Error(`the archive has a file of the odd name ${name}`);
      const chunks = checked(bytes.stream(header.getUint32(18, true)), header.getUint32(14, true));
      yield { name, chunks };
    }
  } finally {
    await bytes.close();
  }
}

async function* checked(chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>, expected: number) {
  let crc = 0;
  for await (const chunk of chunks) {
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (crc !== expected) throw new Error("the checksum is another: it was damaged on its way");
}

/** Reads a stream by numbers of bytes rather than chunks. */
class ByteReader {
  #reader;
  #rest = new Uint8Array();

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.getReader();
  }

  /** Exactly so many bytes, of which there are few. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const taken = new Uint8Array(count);
    let at = 0;
    for await (const chunk of this.stream(count)) {
      taken.set(chunk, at);
      at += chunk.length;
    }
    return taken;
  }

  /** So many bytes as they come. */
  async *stream(count: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done) throw new Error("the download broke off");
        this.#rest = value;
      }
      const chunk = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
  }

  /** Wants no more. */
  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => {}); // of a stream that broke
  }
}
