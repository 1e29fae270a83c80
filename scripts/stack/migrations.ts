import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import type postgres from "postgres";
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
  const folder = await projectFolder(config);
  const { success, stdout, stderr } = await new Deno.Command(cliProgram(), {
    args: ["db", "push", "--include-seed", "--yes"],
    cwd: folder,
    clearEnv: true,
    env: {
      PATH: config.env.PATH ?? "",
      HOME: folder,
      SUPABASE_HOME: folder,
      // Without these it looks for updates and reports its use, and so needs the internet.
      SUPABASE_TELEMETRY_DISABLED: "1",
      SUPABASE_NO_UPDATE_NOTIFIER: "1",
    },
  }).output();
  if (success) return undefined;
  const output = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  return await explainFailure(output, join(config.root, "supabase"));
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
 * A folder for the CLI that sees the project's files, but this stack's database port, and that
 * takes the files the CLI leaves: two stacks and a developer's own CLI never meet.
 */
async function projectFolder(config: StackConfig): Promise<string> {
  const folder = join(config.dataDir, "cli");
  await Deno.remove(folder, { recursive: true }).catch(() => undefined);
  await Deno.mkdir(join(folder, "supabase"), { recursive: true });
  const source = join(config.root, "supabase");
  for (const name of ["migrations", "seed.sql"]) {
    await Deno.symlink(join(source, name), join(folder, "supabase", name));
  }
  const toml = await Deno.readTextFile(join(source, "config.toml"));
  await Deno.writeTextFile(
    join(folder, "supabase/config.toml"),
    toml.replace(/^(\[db\]\s+port = )\d+/m, `$1${config.dbPort}`),
  );
  return folder;
}

/** The program that npm installed for this platform: its launcher needs Node and 0.1 s more. */
function cliProgram(): string {
  const require = createRequire(import.meta.url);
  const system = Deno.build.os;
  const cpu = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  for (const name of [`cli-${system}-${cpu}`, `cli-${system}-${cpu}-musl`]) {
    try {
      return join(dirname(require.resolve(`@supabase/${name}/package.json`)), "bin/supabase");
    } catch {
      // The other C library's package is the one that is installed.
    }
  }
  throw new Error(`The Supabase CLI is not installed for ${system} ${cpu}: run npm ci`);
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
