import { readConfig, type StackConfig } from "./config.ts";
import { type Database, startDatabase } from "./database.ts";
import { loadKeys } from "./keys.ts";
import { isolatedEnvironment } from "./testing.ts";

/**
 * Runs `use` with a database of its own, with migrations and seed, that is removed afterwards. Throws
 * an Error with file, line and statement when a migration cannot be applied.
 */
export async function withDatabase<T>(
  use: (config: StackConfig, database: Database) => Promise<T>,
): Promise<T> {
  const config = readConfig(await isolatedEnvironment());
  const database = await startDatabase(config, (await loadKeys(config.dataDir)).id);
  try {
    if (database.problem) throw new Error(database.problem);
    return await use(config, database);
  } finally {
    await database.stop();
    await Deno.remove(config.dataDir, { recursive: true });
  }
}
