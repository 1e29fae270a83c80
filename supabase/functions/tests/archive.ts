import assert from "node:assert/strict";
import { crc32 } from "node:zlib";

/** A file of an archive. */
export interface ArchivedFile {
  name: string;
  modified: string;
  bytes: Uint8Array;
}

/**
 * Opens a ZIP archive by its directory, as most programs do, and fails on anything that is not as
 * the format has it: headers that differ, gaps, checksums.
 */
export function openArchive(archive: Uint8Array): ArchivedFile[] {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const short = (at: number) => view.getUint16(at, true);
  const word = (at: number) => view.getUint32(at, true);
  const end = archive.length - 22;
  assert.equal(word(end), 0x06054b50, "the archive has an end");
  assert.equal(short(end + 8), short(end + 10));
  const directory = word(end + 16);
  assert.equal(directory + word(end + 12), end, "its directory ends there");

  const files: ArchivedFile[] = [];
  let at = directory;
  let next = 0;
  while (at < end) {
    assert.equal(word(at), 0x02014b50);
    const local = word(at + 42);
    assert.equal(local, next, "files follow each other without a gap");
    assert.equal(word(local), 0x04034b50);
    const nameLength = short(at + 28);
    assert.deepEqual(
      archive.slice(local + 4, local + 30 + nameLength),
      new Uint8Array([
        ...archive.slice(at + 6, at + 32),
        ...archive.slice(at + 46, at + 46 + nameLength),
      ]),
      "both headers of a file say the same",
    );
    assert.equal(short(at + 10), 0, "files are stored");
    const name = new TextDecoder().decode(archive.slice(at + 46, at + 46 + nameLength));
    const start = local + 30 + nameLength;
    const bytes = archive.slice(start, start + word(at + 20));
    assert.equal(crc32(bytes), word(at + 16), `the checksum of ${name}`);
    files.push({ name, modified: readTime(short(at + 14), short(at + 12)), bytes });
    next = start + bytes.length;
    at += 46 + nameLength;
  }
  assert.equal(next, directory, "the directory follows the last file");
  assert.equal(files.length, short(end + 10));
  return files;
}

function readTime(date: number, time: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [(date >> 9) + 1980, two(date >> 5 & 15), two(date & 31)].join("-");
  return `${day}T${two(time >> 11)}:${two(time >> 5 & 63)}:${two((time & 31) * 2)}`;
}
