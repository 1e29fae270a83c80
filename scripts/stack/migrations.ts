import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type postgres from "postgres";
import { runCli } from "./cli.ts";
import type { StackConfig } from "./config.ts";

/**
 * Applies what is pending of `supabase/migrations` and `supabase/seed.sql` with the official CLI,
 * as the restricted role `postgres`, as a deployment does. `sql` is connected as `postgres`. The
 * CLI is started only when something is pending. Returns nothing when all is applied, else file,
 * line and statement that failed; the files before it stay applied.
 */
export async function applyMigrations(
  config: StackConfig,
  sql: postgres.Sql,
): Promise<string | undefined> {
  if (!await isPending(config.root, sql)) return undefined;
  const { success, stdout, stderr } = await runCli(config, [
    "db",
    "push",
    "--include-seed",
    "--yes",
  ]);
  if (success) return undefined;
  return await explainFailure(stderr + stdout, join(config.root, "supabase"));
}

/** True when a migration or the seed has no entry in the history that the CLI keeps. */
async function isPending(root: string, sql: postgres.Sql): Promise<boolean> {
  const versions = [];
  for await (const entry of Deno.readDir(join(root, "supabase/migrations"))) {
    const version = /^(\d+)_.*\.sql$/.exec(entry.name)?.[1];
    if (version) versions.push(version);
  }
  const seed = await Deno.readFile(join(root, "supabase/seed.sql")).catch(() => undefined);
  const hash = seed && createHash("sha256").update(seed).digest("hex");
  const [history] = await sql`
    select to_regclass('supabase_migrations.schema_migrations') is not null
      and (${!hash} or to_regclass('supabase_migrations.seed_files') is not null) as exists`;
  if (!history?.exists) return versions.length > 0 || hash !== undefined;
  const [state] = await sql`
    select exists (
      select version from unnest(${versions}::text[]) as version
      except select version from supabase_migrations.schema_migrations
    ) as pending`;
  if (state?.pending || !hash) return state?.pending;
  const applied = await sql`select from supabase_migrations.seed_files where hash = ${hash}`;
  return applied.length === 0;
}

/**
 * One sentence from the CLI's output: it prints the file it applies, the database's message and
 * the statement up to a caret under the error, but no line.
 */
export async function explainFailure(output: string, folder: string): Promise<string> {
  const applied = [...output.matchAll(/^Applying migration (\S+?)\.\.\.$/gm)].at(-1)?.[1];
  const seed = /^Seeding data from (\S+?)\.\.\.$/m.exec(output)?.[1];
  const file = seed ? basename(seed) : applied && `migrations/${applied}`;
  const [, message, statement] =
    /^(ERROR: .+)\n(?:(?!At statement)[^\n]*\n)*?At statement: \d+\n([\s\S]*?)\n(?:Try rerunning|$)/m
      .exec(output) ?? [];
  if (!file || !message || !statement) return `supabase db push failed:\n${output.trim()}`;
  const text = await Deno.readTextFile(join(folder, file));
  const line = lineOf(statement, text);
  return `supabase/${file}:${line} ${message}\n${statement.replace(/^/gm, "  | ")}`;
}

/** Number of the line that the caret under a statement points at, else of its first line. */
function lineOf(statement: string, text: string): number {
  const lines = statement.split("\n");
  const caret = lines.findIndex((line) => /^\s*\^$/.test(line));
  const shown = caret < 0 ? lines : lines.slice(0, caret);
  const start = text.indexOf(shown.join("\n"));
  const before = text.slice(0, Math.max(start, 0)).split("\n").length;
  return caret < 0 ? before : before + shown.length - 1;
}
