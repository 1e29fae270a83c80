import postgres from "postgres";
import { bootstrap } from "./bootstrap.ts";
import type { StackConfig } from "./config.ts";
import { applyMigrations } from "./migrations.ts";
import { dbUrl, type Postgres, startPostgres } from "./postgres.ts";

/** A running database with the project's schema. */
export interface Database extends Postgres {
  /** File, line and statement of the migration that could not be applied, if one could not. */
  problem: string | undefined;
}

/**
 * Starts PostgreSQL, prepares what a hosted project has, and applies migrations and seed. `id` is
 * the data folder's. A migration that fails leaves a running database behind; any other failure
 * stops it and throws.
 */
export async function startDatabase(config: StackConfig, id: string): Promise<Database> {
  const server = await startPostgres(config, id);
  const superuser = connect(config, "supabase_admin");
  const developer = connect(config, "postgres");
  try {
    await bootstrap(superuser);
    return { ...server, problem: await applyMigrations(config, developer) };
  } catch (error) {
    await server.stop();
    throw error;
  } finally {
    await Promise.all([superuser.end({ timeout: 1 }), developer.end({ timeout: 1 })]);
  }
}

/** Opens a pool of connections for a role. */
export function connect(config: StackConfig, role: string, max = 1): postgres.Sql {
  return postgres(dbUrl(config, role), { max, onnotice: () => {} });
}
