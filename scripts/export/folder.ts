import { join } from "node:path";
import { type ArrivingFile, readArchive } from "./archive.ts";
import type { Part } from "./host.ts";

const MANIFEST = "manifest.csv";

/**
 * The folder that an export goes to: pictures, one `manifest.csv` of all, and in `parts` the manifest
 * of each part that has arrived, by which a later run knows what it need not fetch again.
 */
export class ExportFolder {
  #path;

  constructor(path: string) {
    this.#path = path;
  }

  async create(): Promise<void> {
    await Deno.mkdir(join(this.#path, "parts"), { recursive: true });
  }

  /** Whether a part is there as the server has it now. */
  async has({ part, photos }: Part): Promise<boolean> {
    return (await this.#linesOf(part)).length === photos;
  }

  /** Unpacks a part while it arrives. Its manifest is written last: what has one is complete. */
  async receive({ part }: Part, archive: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const before = namesIn(await this.#linesOf(part));
    await removeIfPresent(this.#manifestOf(part));
    for await (const file of readArchive(archive)) {
      if (file.name === MANIFEST) await write(this.#manifestOf(part), file);
      else await write(join(this.#path, file.name), file);
    }
    const now = new Set(namesIn(await this.#linesOf(part)));
    // Deleted or hidden since: whoever wanted that does not want it kept here.
    for (const name of before) {
      if (!now.has(name)) await removeIfPresent(join(this.#path, name));
    }
  }

  /** Writes the manifest of all parts, and returns how many pictures there are and are missing. */
  async finish(parts: Part[]): Promise<{ photos: number; missing: number }> {
    let head = "";
    const lines: string[] = [];
    for (const { part } of parts) {
      const text = await Deno.readTextFile(this.#manifestOf(part));
      head = text.slice(0, text.indexOf("\n") + 1);
      lines.push(...linesIn(text));
    }
    await Deno.writeTextFile(join(this.#path, MANIFEST), head + lines.join(""));
    const missing = lines.filter((line) => line.endsWith(",missing\r\n")).length;
    return { photos: lines.length - missing, missing };
  }

  #manifestOf(part: number): string {
    return join(this.#path, "parts", `${part}.csv`);
  }

  async #linesOf(part: number): Promise<string[]> {
    return linesIn(await Deno.readTextFile(this.#manifestOf(part)).catch(() => ""));
  }
}

/** The lines of a manifest without its head, each with its end. */
function linesIn(manifest: string): string[] {
  return manifest.split(/(?<=\n)/).slice(1);
}

/** The pictures that lines tell of; no name has a comma. */
function namesIn(lines: string[]): string[] {
  return lines.map((line) => line.slice(0, line.indexOf(",")));
}

/** Writes a file that is whole as soon as it has its name. */
async function write(path: string, { chunks }: ArrivingFile): Promise<void> {
  await Deno.writeFile(`${path}.partial`, ReadableStream.from(chunks));
  await Deno.rename(`${path}.partial`, path);
}

async function removeIfPresent(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
