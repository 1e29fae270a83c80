import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { StackConfig } from "./config.ts";

/** What a run of the CLI printed, and whether it exited with 0. */
export interface CliResult {
  success: boolean;
  stdout: string;
  stderr: string;
}

/** Runs the official CLI on this project and this stack's database, without the internet. */
export async function runCli(config: StackConfig, args: string[]): Promise<CliResult> {
  const folder = await projectFolder(config);
  const { success, stdout, stderr } = await new Deno.Command(cliProgram(), {
    args,
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
  const text = new TextDecoder();
  return { success, stdout: text.decode(stdout), stderr: text.decode(stderr) };
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
