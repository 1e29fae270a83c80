// Where the database lives when its account cannot reach the data folder, as under /root. The data
// folder stays in charge: once it is deleted, what belongs to it here is rubbish.
import { join } from "node:path";
import { loadKeys } from "./keys.ts";

/** The folder of all stacks in the temp folder, made when absent. */
export async function tempFolder(): Promise<string> {
  const folder = join(Deno.env.get("TMPDIR") || "/tmp", "cabina");
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

/**
 * The folder for the database of a data folder with the given id. Removes those whose data folder
 * is gone.
 */
export async function tempHome(dataDir: string, id: string): Promise<string> {
  const folder = await tempFolder();
  for await (const entry of Deno.readDir(folder)) {
    const home = join(folder, entry.name);
    if (await isAbandoned(home)) await Deno.remove(home, { recursive: true });
  }
  const home = join(folder, id);
  await Deno.mkdir(home, { recursive: true });
  await Deno.writeTextFile(join(home, "owner"), dataDir);
  return home;
}

/** True when the folder of a database is gone, or the data folder that it belongs to. */
export async function isAbandoned(home: string): Promise<boolean> {
  if (!await Deno.stat(home).then(() => true, () => false)) return true;
  const owner = await Deno.readTextFile(join(home, "owner")).catch(() => undefined);
  if (owner === undefined) return false;
  const isThere = await Deno.stat(join(owner, "keys.json")).then(() => true, () => false);
  return !isThere || !home.endsWith((await loadKeys(owner)).id);
}
