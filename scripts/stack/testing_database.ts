import { join } from "node:path";
import { copyTree, prepareBinaries } from "./binaries.ts";
import { readConfig, type StackConfig } from "./config.ts";
import { type Database, startDatabase } from "./database.ts";
import { loadKeys } from "./keys.ts";
import { isolatedEnvironment } from "./testing.ts";

/**
 * Runs `use` with a database of its own, with migrations and seed, that is removed afterwards.
 * `addExtensions` may put files into the server's extension folder before the first migration; the
 * server then runs from a copy, because npm's folder is that of every stack. Throws an Error with
 * file, line and statement when a migration cannot be applied.
 */
export async function withDatabase<T>(
  use: (config: StackConfig, database: Database) => Promise<T>,
  addExtensions?: (extensionDir: string) => Promise<void>,
): Promise<T> {
  const config = readConfig(await isolatedEnvironment());
  const native = addExtensions && join(config.dataDir, "binaries");
  if (native) {
    await copyTree(await prepareBinaries(), native);
    await addExtensions(join(native, "share/postgresql/extension"));
  }
  const database = await startDatabase(config, (await loadKeys(config.dataDir)).id, native);
  try {
    if (database.problem) throw new Error(database.problem);
    return await use(config, database);
  } finally {
    await database.stop();
    await Deno.remove(config.dataDir, { recursive: true });
  }
}
