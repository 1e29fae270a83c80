import type { Fingerprint } from "../../_shared/fingerprint.ts";

/** A file of an archive, known before its bytes are sent. */
export interface ZipEntry extends Fingerprint {
  /** ASCII or UTF-8, without folders. */
  name: string;
  /** As a clock shows it, `2026-11-21T23:15:04`: ZIP knows no time zones. */
  modified: string;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
/** The version of the format that knows UTF-8 names. */
const VERSION = 20;
const NAMES_ARE_UTF8 = 0x0800;
/** What the fields of the format can hold; beyond is ZIP64, which some programs cannot read. */
const MAX_BYTES = 0xffff_ffff;

/**
 * Writes a ZIP archive whose files are stored as they are: pictures are compressed already. Lengths
 * and checksums stand in front of each file, so that a reader needs no more than the stream.
 */
export class StoredZip {
  #directory: Uint8Array[] = [];
  #offset = 0;

  /** What comes in front of a file; its `bytes` bytes have to follow. */
  begin(entry: ZipEntry): Uint8Array<ArrayBuffer> {
    const name = new TextEncoder().encode(entry.name);
    const common = describe(entry, name.length);
    const header = join([words(LOCAL_HEADER), common, name]);
    this.#directory.push(join([
      words(CENTRAL_HEADER),
      shorts(VERSION), // made by: MS-DOS, so without rights of Unix
      common,
      shorts(0, 0, 0, 0, 0), // comment, disk and attributes
      words(this.#offset),
      name,
    ]));
    this.#offset += header.length + entry.bytes;
    if (this.#offset > MAX_BYTES) {
      throw new RangeError("the archive is larger than 4 GiB");
    }
    return header;
  }

  /** What comes behind the last file: where each begins. */
  end(): Uint8Array<ArrayBuffer> {
    const directory = join(this.#directory);
    const files = this.#directory.length;
    return join([
      directory,
      words(END),
      shorts(0, 0, files, files),
      words(directory.length, this.#offset),
      shorts(0),
    ]);
  }
}

/** The fields that both headers of a file have, in their order. */
function describe(
  { modified, bytes, crc32 }: ZipEntry,
  nameLength: number,
): Uint8Array {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = modified.split(/\D/)
    .map(Number);
  return join([
    shorts(
      VERSION,
      NAMES_ARE_UTF8,
      0, // stored
      hour << 11 | minute << 5 | second >> 1,
      (year - 1980) << 9 | month << 5 | day,
    ),
    words(crc32, bytes, bytes),
    shorts(nameLength, 0),
  ]);
}

function shorts(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, i) => view.setUint16(2 * i, value, true));
  return new Uint8Array(view.buffer);
}

function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value, true));
  return new Uint8Array(view.buffer);
}

function join(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
  );
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
