import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { SignJWT } from "jose";

/** The secrets of one data folder. They survive restarts and die with the folder. */
export interface StackKeys {
  /** Names the folders in the temp directory that belong to this data folder. */
  id: string;
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  /** Legacy API keys (HS256), which the hosted platform still injects into functions. */
  anonJwt: string;
  serviceRoleJwt: string;
  /** Key that signs the simulated provider's callbacks. */
  kieWebhookKey: string;
  /** Secret that signs the simulated payment gateway's notifications. */
  mpWebhookSecret: string;
  mpAccessToken: string;
}

/** Ten years: a local key that expires would only be a puzzle for somebody. */
const LEGACY_KEY_LIFETIME = "3650d";

/**
 * Reads the keys of a data folder from `keys.json`, or draws random ones and writes them there,
 * readable by the owner alone. Throws an Error that says what to do when the file is damaged.
 */
export async function loadKeys(dataDir: string): Promise<StackKeys> {
  const file = `${dataDir}/keys.json`;
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new Error(`${file} is damaged: delete ${dataDir} to begin with an empty stack`);
    }
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const keys = await drawKeys();
  // Written under another name first: a kill in between must not leave half a file.
  await Deno.writeTextFile(`${file}.new`, JSON.stringify(keys, null, 2), { mode: 0o600 });
  await Deno.rename(`${file}.new`, file);
  return keys;
}

async function drawKeys(): Promise<StackKeys> {
  const jwtSecret = randomText(32);
  return {
    id: randomBytes(8).toString("hex"),
    jwtSecret,
    publishableKey: `sb_publishable_${randomText(24)}`,
    secretKey: `sb_secret_${randomText(24)}`,
    anonJwt: await signLegacyKey("anon", jwtSecret),
    serviceRoleJwt: await signLegacyKey("service_role", jwtSecret),
    kieWebhookKey: randomText(24),
    mpWebhookSecret: randomText(24),
    mpAccessToken: `TEST-${randomText(24)}`,
  };
}

function randomText(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}

function signLegacyKey(role: string, secret: string): Promise<string> {
  return new SignJWT({ iss: "supabase", ref: "local", role })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuedAt()
    .setExpirationTime(LEGACY_KEY_LIFETIME)
    .sign(new TextEncoder().encode(secret));
}

/**
 * The key set that verifies user tokens, as `SUPABASE_JWKS` of a function, which
 * accepts a token only when its header names a key (`kid`) of this set.
 */
export function jwksOf(jwtSecret: string): string {
  const k = Buffer.from(jwtSecret).toString("base64url");
  return JSON.stringify({ keys: [{ kty: "oct", alg: "HS256", kid: "local", k }] });
}
