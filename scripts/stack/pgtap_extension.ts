import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Size of a block of a tar archive. */
const BLOCK = 512;
const FILES = ["pgtap.control", "pgtap--1.3.5.sql"];

/**
 * Makes `create extension pgtap` work: puts its two files into the server's extension folder.
 * They come from @electric-sql/pglite, which carries pgTAP up to version 0.4.5.
 */
export async function installPgTap(extensionDir: string): Promise<void> {
  const main = createRequire(import.meta.url).resolve("@electric-sql/pglite");
  const packed = await Deno.readFile(join(dirname(main), "pgtap.tar.gz"));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const archive = await new Response(unpacked).bytes();
  for (const [path, content] of readTar(archive)) {
    const name = FILES.find((file) => path === `share/postgresql/extension/${file}`);
    if (name) await Deno.writeFile(join(extensionDir, name), content);
  }
}

/** The files of a tar archive: each is a block of metadata and the content in whole blocks. */
function* readTar(archive: Uint8Array): Generator<[string, Uint8Array]> {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(archive.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    yield [text(at, 100), archive.subarray(at + BLOCK, at + BLOCK + size)];
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}
