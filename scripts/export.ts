// `npm run export -- --event <slug> --pin <PIN>`: all pictures of an event into one folder. Run again,
// it fetches what is missing.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ExportFolder } from "./export/folder.ts";
import { type Door, enterEvent, type HostClient, type Part, Refusal } from "./export/host.ts";

const USAGE = `npm run export -- --event <slug> --pin <PIN>
  --url <address>  of the project; the local stack unless told
  --key <key>      publishable key; the local stack's unless told
  --out <folder>   ./<slug> unless told
  --all            also photos that are hidden or wait for approval`;

/** Tries for a part that breaks off, and the pause before each but the first. */
const TRIES = 4;
const PAUSE_MS = 2000;

/** Exports as the arguments say; resolves to the exit code. */
export async function main(args: string[]): Promise<number> {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  try {
    const host = await enterEvent(await findDoor(options), options.pin);
    try {
      return await exportAll(host, options.out, options.visibility);
    } finally {
      await host.leave();
    }
  } catch (error) {
    console.error(`The export of ${options.event} stopped: ${(error as Error).message}`);
    console.error("What has arrived stays: run the same command again to go on");
    return 1;
  }
}

function readOptions(args: string[]) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: { event: text, pin: text, url: text, key: text, out: text, all: { type: "boolean" } },
  });
  const { event, pin, url, key } = values;
  if (event === undefined) throw new Error("Say which event: --event is missing");
  if (pin === undefined) throw new Error("Say its PIN: --pin is missing");
  const visibility = values.all ? "all" as const : "visible" as const;
  return { event, pin, url, key, out: values.out ?? event, visibility };
}

async function findDoor(
  { event, url, key }: { event: string; url?: string | undefined; key?: string | undefined },
): Promise<Door> {
  if (url !== undefined) return { event, url, key };
  const file = join(Deno.env.get("CABINA_DATA_DIR") ?? ".cabina", "stack.json");
  const stack = await Deno.readTextFile(file).then(JSON.parse).catch(() => {
    throw new Error(`no stack runs here (${file} is missing): name a project with --url`);
  });
  return { event, url: stack.api_url, key: key ?? stack.publishable_key };
}

async function exportAll(
  host: HostClient,
  out: string,
  visibility: "visible" | "all",
): Promise<number> {
  const parts = await host.list(visibility);
  const folder = new ExportFolder(out);
  await folder.create();
  for (const part of parts) {
    const about = `Part ${part.part} of ${parts.at(-1)!.part}: ${part.photos} photos`;
    if (await folder.has(part)) {
      console.log(`${about}, here already`);
      continue;
    }
    console.log(`${about}, ${(part.bytes / 1e6).toFixed(1)} MB`);
    await fetchPart(host, folder, part);
  }
  const { photos, missing } = await folder.finish(parts);
  console.log(`${photos} pictures and manifest.csv are in ${out}`);
  if (missing > 0) console.log(`${missing} were missing on the server: manifest.csv says which`);
  return 0;
}

async function fetchPart(host: HostClient, folder: ExportFolder, part: Part): Promise<void> {
  for (let left = TRIES - 1;; left--) {
    try {
      return await folder.receive(part, await host.open(part));
    } catch (error) {
      if (error instanceof Refusal || left === 0) throw error;
      console.error(`Part ${part.part}: ${(error as Error).message}. Trying again`);
      await delay(PAUSE_MS);
    }
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
