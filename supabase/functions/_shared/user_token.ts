import type { JSONWebKeySet, JWK, JWTVerifyGetKey } from "jose";
import { JOSEError, JWKSNoMatchingKey } from "jose/errors";
import { createLocalJWKSet } from "jose/jwks/local";
import { createRemoteJWKSet } from "jose/jwks/remote";
import { jwtVerify } from "jose/jwt/verify";
import { isLoopback, optionalEnv, requireEnv } from "./env.ts";
import { ApiError } from "./errors.ts";
import { describeError, log } from "./log.ts";

/** What jose says when the keys are wrong or away, and not the token. */
const KEY_PROBLEMS = ["ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT", "ERR_JOSE_GENERIC"];

let keys: JWTVerifyGetKey | undefined;

/**
 * Verifies the token of a signed-in person, and returns the id of the account.
 * @throws {ApiError} UNAUTHENTICATED for any other token, UNAVAILABLE without keys to judge it by
 */
export async function verifyUserToken(token: string): Promise<string> {
  try {
    keys ??= findSigningKeys();
    const { payload: { sub, role } } = await jwtVerify(token, keys);
    if (sub && role === "authenticated") return sub;
  } catch (error) {
    if (error instanceof JOSEError && !KEY_PROBLEMS.includes(error.code)) {
      throw new ApiError("UNAUTHENTICATED", { cause: error });
    }
    // The operator's problem, not the caller's.
    log("error", "signing_keys_unusable", { error: describeError(error) });
    throw new ApiError("UNAVAILABLE", { cause: error });
  }
  throw new ApiError("UNAUTHENTICATED");
}

/**
 * The project's keys: as the platform tells them in SUPABASE_JWKS, else as the project publishes them. Those
 * are fetched again when a token names another key, for keys are rotated.
 */
function findSigningKeys(): JWTVerifyGetKey {
  const told = optionalEnv("SUPABASE_JWKS");
  return told === undefined ? publishedKeys() : toldKeys(JSON.parse(told));
}

/** Both forms are documented: a set, and a bare list. */
function toldKeys(told: JSONWebKeySet | JWK[]): JWTVerifyGetKey {
  const set = Array.isArray(told) ? { keys: told } : told;
  const publicKeys = createLocalJWKSet(set);
  return byName((header, token) => {
    if (header.alg !== "HS256") return publicKeys(header, token);
    // jose looks for no secrets in a set, because sets are made to be published.
    const secret = set.keys.find(({ kid, alg }) => kid === header.kid && alg === "HS256");
    if (secret === undefined) throw new JWKSNoMatchingKey();
    return secret;
  });
}

function publishedKeys(): JWTVerifyGetKey {
  const url = new URL(
    optionalEnv("SUPABASE_JWKS_URL") ??
      `${requireEnv("SUPABASE_URL")}/auth/v1/.well-known/jwks.json`,
  );
  if (url.protocol !== "https:" && !isLoopback(url.href)) {
    throw new Error(`${url} is not https: the keys could be anybody's. Set SUPABASE_JWKS`);
  }
  return byName(createRemoteJWKSet(url));
}

/** A token that does not name its key was not issued by the project's sign-in. */
function byName(find: JWTVerifyGetKey): JWTVerifyGetKey {
  return (header, token) => {
    if (!header.kid) throw new JWKSNoMatchingKey();
    return find(header, token);
  };
}
