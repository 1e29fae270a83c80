import { bootstrap } from "./bootstrap.ts";
import type { StackConfig } from "./config.ts";
import { connect } from "./connect.ts";
import { applyMigrations } from "./migrations.ts";
import { type Postgres, startPostgres } from "./postgres.ts";

/** A running database with the project's schema. */
export interface Database extends Postgres {
  /** File, line and statement of the migration that could not be applied, if one could not. */
  problem: string | undefined;
}

/**
 * Starts PostgreSQL, prepares what a hosted project has, and applies migrations and seed. `id` is
 * the data folder's, `native` a folder of binaries in place of npm's. A migration that fails leaves a
 * running database behind; any other failure stops it and throws.
 */
export async function startDatabase(
  config: StackConfig,
  id: string,
  native?: string,
): Promise<Database> {
  const server = await startPostgres(config, id, native);
  try {
    const superuser = await connect(config, "supabase_admin");
    await bootstrap(superuser).finally(() => superuser.end({ timeout: 1 }));
    const developer = await connect(config, "postgres");
    const problem = await applyMigrations(config, developer)
      .finally(() => developer.end({ timeout: 1 }));
    return { ...server, problem };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
