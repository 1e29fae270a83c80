// Stand-ins for three extensions of the hosted platform that the embedded server lacks: signatures, tables and grants as
// documented, nothing that runs or sends. They prove what our schedule asks of the extensions, not that
// pg_cron, pg_net and Vault do it: those were not run here. For tests only, on a server of their own.
import { join } from "node:path";

/** Name of each extension, and the schema that its control file fixes. */
const EXTENSIONS = { pg_cron: "pg_catalog", pg_net: undefined, supabase_vault: "vault" };

/** Makes `create extension` offer the stand-ins to `postgres`, as the platform offers the real ones. */
export async function addStandIns(extensionDir: string): Promise<void> {
  for (const [name, schema] of Object.entries(EXTENSIONS)) {
    const script = new URL(`./${name}.sql`, import.meta.url);
    await Deno.copyFile(script, join(extensionDir, `${name}--0.sql`));
    const control = [
      "default_version = '0'",
      // Who may create things in the database may create it, and it belongs to the superuser.
      "trusted = true",
      ...(schema ? [`schema = ${schema}`] : []),
    ];
    await Deno.writeTextFile(join(extensionDir, `${name}.control`), `${control.join("\n")}\n`);
  }
}

/** Takes an extension from those that the server offers. */
export async function removeStandIn(extensionDir: string, name: string): Promise<void> {
  await Deno.remove(join(extensionDir, `${name}.control`));
}
