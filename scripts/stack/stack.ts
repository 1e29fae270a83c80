import { join } from "node:path";
import { createAuthenticator } from "./authenticate.ts";
import type { StackConfig } from "./config.ts";
import { connect } from "./connect.ts";
import { startDatabase } from "./database.ts";
import { simulatorEnvironment } from "./environment.ts";
import { type Functions, startFunctions } from "./functions.ts";
import { serveGateway } from "./gateway.ts";
import { loadKeys, type StackKeys } from "./keys.ts";
import { lockFolder } from "./lock.ts";
import { assertPortFree } from "./ports.ts";
import { dbUrl } from "./postgres.ts";
import { supervise, type Supervised } from "./supervisor.ts";
import { startSweeper } from "./sweeper.ts";
import { readToml } from "./toml.ts";

/** What `stack.json` says: all that a client, a test or a tool needs to use the stack. */
export interface StackInfo {
  api_url: string;
  /** Connects as the restricted role `postgres`. */
  db_url: string;
  publishable_key: string;
  secret_key: string;
  jwt_secret: string;
  sim_url: string;
}

/** A running stack. */
export interface Stack {
  info: StackInfo;
  /** File, line and statement of a migration that failed; everything else is served. */
  problem: string | undefined;
  /** Stops every part, in the order in which nothing loses what it depends on. */
  stop: () => Promise<void>;
}

/** How each part is stopped, from the time it was begun. */
type Stops = Partial<Record<typeof STOP_ORDER[number], () => unknown>>;

/** Functions finish their background work first, for which they need all the others. */
const STOP_ORDER = ["sweeper", "functions", "simulators", "gateway", "database", "lock"] as const;

/**
 * Starts the whole stack and returns when every function answers. Throws an Error with a sentence
 * for people when it cannot; what was started until then is stopped again.
 */
export async function startStack(config: StackConfig): Promise<Stack> {
  const stops: Stops = {};
  const stop = async () => {
    for (const part of STOP_ORDER) await stops[part]?.();
  };
  try {
    await Deno.mkdir(config.dataDir, { recursive: true });
    stops.lock = await lockFolder(config.dataDir);
    await assertPortFree(config.apiPort, "CABINA_API_PORT");
    await assertPortFree(config.simPort, "CABINA_SIM_PORT");
    const keys = await loadKeys(config.dataDir);

    // Processes boot while the database does: they ask it for nothing until a request comes.
    const starting = startDatabase(config, keys.id);
    stops.database = async () => (await starting.catch(() => undefined))?.stop();
    const simulators = startSimulators(config, keys);
    stops.simulators = simulators.stop;
    const functions = await startFunctions(config, keys);
    stops.functions = functions.stop;
    const { problem } = await starting;
    stops.gateway = await serveApi(config, keys, functions);

    await Promise.all([functions.started, simulators.ready()]);
    stops.sweeper = startSweeper(config, keys);
    const info = infoOf(config, keys);
    await writeInfo(config, info);
    return { info, problem, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Serves auth, Data API, storage and functions on the API port; returns how to stop it. */
async function serveApi(
  config: StackConfig,
  keys: StackKeys,
  functions: Functions,
): Promise<() => Promise<void>> {
  const [{ createAuth }, { createRest }, { createStorage }] = await Promise.all([
    import("./auth.ts"),
    import("./rest.ts"),
    import("./storage.ts"),
  ]);
  const settings = readToml(await Deno.readTextFile(join(config.root, "supabase/config.toml")));
  const authenticate = createAuthenticator(keys);
  const auth = await createAuth(config, keys, settings, authenticate);
  const rest = await createRest(config, keys, authenticate);
  const sql = await connect(config, "supabase_storage_admin", { max: 5 });
  const directory = join(config.dataDir, "storage");
  const storage = createStorage({ sql, directory, jwtSecret: keys.jwtSecret, authenticate });
  const gateway = serveGateway({
    config,
    jwtSecret: keys.jwtSecret,
    settings,
    services: { auth: auth.handle, rest: rest.handle, storage },
    functions,
  });
  return async () => {
    await Promise.race([gateway.shutdown(), new Promise((done) => setTimeout(done, 1000))]);
    await Promise.all([auth.close(), rest.close(), sql.end({ timeout: 1 })]);
  };
}

/** The stand-ins for provider, payment gateway and mailbox, as one process. */
function startSimulators(config: StackConfig, keys: StackKeys): Supervised {
  const script = join(config.root, "scripts/simulators/main.ts");
  const shim = new URL("./edge-shim.ts", import.meta.url);
  return supervise({
    name: "simulators",
    cwd: config.root,
    port: config.simPort,
    env: {
      ...simulatorEnvironment(config, keys),
      CABINA_SIM_PORT: String(config.simPort),
      CABINA_DATA_DIR: config.dataDir,
      DENO_DIR: join(config.dataDir, "deno"),
    },
    args: ["run", "--quiet", "--no-check", "--cached-only", "--allow-all"]
      .concat(`--preload=${shim.pathname}`, script),
  });
}

function infoOf(config: StackConfig, keys: StackKeys): StackInfo {
  return {
    api_url: config.apiUrl,
    db_url: dbUrl(config, "postgres"),
    publishable_key: keys.publishableKey,
    secret_key: keys.secretKey,
    jwt_secret: keys.jwtSecret,
    sim_url: config.simUrl,
  };
}

/** Written under another name and renamed: a reader sees the whole file or none. */
async function writeInfo(config: StackConfig, info: StackInfo): Promise<void> {
  const file = join(config.dataDir, "stack.json");
  await Deno.writeTextFile(`${file}.new`, JSON.stringify(info, null, 2) + "\n", { mode: 0o600 });
  await Deno.rename(`${file}.new`, file);
}
