/** Length and CRC-32 of a file: what an archive must say of it before its first byte. */
export interface Fingerprint {
  bytes: number;
  crc32: number;
}

/**
 * Goes between the source of a file and where it is written: what comes out is what went in, and
 * afterwards `fingerprint` is that of the whole.
 */
export function createFingerprint() {
  const fingerprint: Fingerprint = { bytes: 0, crc32: 0 };
  const through = new TransformStream<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >({
    transform(chunk, controller) {
      fingerprint.bytes += chunk.length;
      fingerprint.crc32 = crc32(chunk, fingerprint.crc32);
      controller.enqueue(chunk);
    },
  });
  return { through, fingerprint };
}

/**
 * The tables of the reflected polynomial 0xEDB88320: the first for a byte, each other one for a byte
 * that so many more bytes follow.
 */
const TABLES = createTables();

function createTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
    }
    tables[byte] = remainder;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = (before >>> 8) ^ tables[before & 255]!;
  }
  return tables;
}

/**
 * The CRC-32 of ZIP and PNG, of all bytes so far when given that of those before. Eight bytes a step:
 * 0.6 ms a megabyte where a byte a step takes 2.5. `node:zlib` has one only since Node 22.2, which is
 * newer than some edge runtimes.
 */
export function crc32(chunk: Uint8Array, before = 0): number {
  let crc = ~before;
  let i = 0;
  for (const end = chunk.length & ~7; i < end; i += 8) {
    crc ^= chunk[i]! | chunk[i + 1]! << 8 | chunk[i + 2]! << 16 |
      chunk[i + 3]! << 24;
    crc = TABLES[1792 + (crc & 255)]! ^ TABLES[1536 + (crc >>> 8 & 255)]! ^
      TABLES[1280 + (crc >>> 16 & 255)]! ^ TABLES[1024 + (crc >>> 24)]! ^
      TABLES[768 + chunk[i + 4]!]! ^ TABLES[512 + chunk[i + 5]!]! ^
      TABLES[256 + chunk[i + 6]!]! ^ TABLES[chunk[i + 7]!]!;
  }
  for (; i < chunk.length; i++) {
    crc = (crc >>> 8) ^ TABLES[(crc ^ chunk[i]!) & 255]!;
  }
  return ~crc >>> 0;
}
