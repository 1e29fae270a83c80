import postgres from "postgres";
import type { StackConfig } from "./config.ts";
import { dbUrl } from "./postgres.ts";

/** Opens a pool of connections for a role, ready for arrays of every type. */
export async function connect(
  config: StackConfig,
  role: string,
  options: postgres.Options<Record<string, postgres.PostgresType>> = {},
): Promise<postgres.Sql> {
  const sql = postgres(dbUrl(config, role), { max: 1, onnotice: () => {}, ...options });
  await learnArrayTypes(sql);
  return sql;
}

/**
 * Makes a new pool ask the server for its array types. postgres 3.4.9 does so before its first
 * query, but under Deno the answer to a first query above 1 KB can be read before they are noted,
 * and then arrays stay text for the life of the connection (seen on a busy machine).
 */
export async function learnArrayTypes(sql: postgres.Sql): Promise<void> {
  await sql`select`;
}
