import type postgres from "postgres";

/**
 * Gives a new cluster what the hosted platform has prepared before the first migration: roles,
 * schemas, extensions, the tables of auth and storage, and the local stack's marker. Does nothing
 * when it was done before. `sql` is connected as the superuser.
 */
export async function bootstrap(sql: postgres.Sql): Promise<void> {
  const [state] = await sql`select to_regclass('local_stack.marker') is not null as done`;
  if (state?.done) return;
  const { getAuthSchemaSql, getStorageSchemaSql } = await import("@supabase/lite");
  const text = await Deno.readTextFile(new URL("./bootstrap.sql", import.meta.url));
  // Several statements in one simple query are one transaction: a kill leaves nothing half done.
  await sql.unsafe(
    text
      .replace("-- {{auth tables of @supabase/lite}}", () => tablesOnly(getAuthSchemaSql()))
      .replace("-- {{storage tables of @supabase/lite}}", () => tablesOnly(getStorageSchemaSql())),
  ).simple();
}

/** The schemas exist by then, and their owners may not create any. */
function tablesOnly(sql: string): string {
  return sql.replaceAll(/^CREATE SCHEMA .*;$/gm, "");
}
