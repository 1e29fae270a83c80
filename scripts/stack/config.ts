import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Everything the local stack can be told, read once from the environment. */
export interface StackConfig {
  /** Root of the checkout: `supabase/`, `scripts/` and `node_modules/` are below it. */
  root: string;
  /** Everything the stack writes. Deleting it is a factory reset. */
  dataDir: string;
  apiPort: number;
  dbPort: number;
  simPort: number;
  /** Seconds between two calls of the sweeper; 0 turns the timer off. */
  sweepSeconds: number;
  /** The same for the look at the payment gateway. */
  reconcileSeconds: number;
  /** Where the gateway listens. */
  apiUrl: string;
  /** Where the simulators listen. */
  simUrl: string;
  /** Base of callbacks and signed URLs, as others reach us. */
  publicUrl: string;
  /** Front end: target of QR codes and of links in e-mails. */
  appUrl: string;
  /** Comma-separated origins to which a person may be sent back. */
  allowedOrigins: string;
  /** Keep the client address that the caller claims: only for tests. */
  trustTestIp: boolean;
  /** The developer's environment, of which the functions get the part meant for them. */
  env: Record<string, string>;
}

/** Root of the checkout that this file belongs to. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * Reads the stack's settings from environment variables (their names and defaults are listed in
 * docs/local-stack.md). Throws an Error that names the variable, its value and what is accepted.
 */
export function readConfig(env: Record<string, string>): StackConfig {
  const apiPort = readPort(env, "CABINA_API_PORT", 54321);
  const dbPort = readPort(env, "CABINA_DB_PORT", 54322);
  const simPort = readPort(env, "CABINA_SIM_PORT", 54330);
  if (new Set([apiPort, dbPort, simPort]).size < 3) {
    throw new Error(
      "CABINA_API_PORT, CABINA_DB_PORT and CABINA_SIM_PORT must differ: " +
        `they are ${apiPort}, ${dbPort} and ${simPort}`,
    );
  }
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const appUrl = readUrl(env, "CABINA_APP_URL", apiUrl);
  return {
    root: ROOT,
    dataDir: resolve(ROOT, env.CABINA_DATA_DIR || ".cabina"),
    apiPort,
    dbPort,
    simPort,
    sweepSeconds: readInteger(env, "CABINA_SWEEP_SECONDS", 5, 0, 3600),
    reconcileSeconds: readInteger(env, "CABINA_RECONCILE_SECONDS", 60, 0, 3600),
    apiUrl,
    simUrl: `http://127.0.0.1:${simPort}`,
    publicUrl: readUrl(env, "CABINA_PUBLIC_URL", apiUrl),
    appUrl,
    allowedOrigins: env.CABINA_ALLOWED_ORIGINS || new URL(appUrl).origin,
    trustTestIp: env.CABINA_TRUST_TEST_IP === "1",
    env,
  };
}

function readPort(env: Record<string, string>, name: string, fallback: number): number {
  return readInteger(env, name, fallback, 1, 65535);
}

function readInteger(
  env: Record<string, string>,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const text = env[name];
  if (text === undefined || text === "") return fallback;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${name} is "${text}": it must be a whole number from ${min} to ${max}`);
}

function readUrl(env: Record<string, string>, name: string, fallback: string): string {
  const text = env[name];
  if (!text) return fallback;
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text.replace(/\/+$/, "");
  throw new Error(`${name} is "${text}": it must be a URL that begins with http:// or https://`);
}
