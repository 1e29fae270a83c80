import { extractCredentials, verifyCredentials } from "@supabase/server/core";
import { ApiError } from "./errors.ts";
import { describeError, log } from "./log.ts";

/** Who is asking, as far as verified credentials say. */
export interface Caller {
  /** The account, when a valid user token was sent. */
  userId: string | null;
  /** Whether the secret key was sent: one of our own services. */
  isService: boolean;
}

/**
 * Verifies every credential of a request: the `apikey` header and the user's token in `Authorization`.
 *
 * supabase-js repeats the API key as bearer when nobody is signed in; such a bearer is a key, not a
 * token. What is present must be good: a bad credential is never downgraded to an anonymous request.
 *
 * @throws {ApiError} UNAUTHENTICATED for a bad credential, and for none at all
 */
export async function authenticate(request: Request): Promise<Caller> {
  const { token, apikey } = extractCredentials(request);
  const isKey = token?.startsWith("sb_") ?? false;
  const keys = new Set([apikey, isKey ? token : null].filter((key) => key !== null));
  if (keys.size === 0 && token === null) throw new ApiError("UNAUTHENTICATED");

  let isService = false;
  for (const key of keys) {
    const { authMode } = await verify({ apikey: key, token: null }, ["publishable:*", "secret:*"]);
    isService ||= authMode === "secret";
  }
  if (token === null || isKey) return { userId: null, isService };

  const { userClaims } = await verify({ apikey: null, token }, ["user"]);
  if (!userClaims?.id || userClaims.role !== "authenticated") throw new ApiError("UNAUTHENTICATED");
  return { userId: userClaims.id, isService };
}

async function verify(
  credentials: Parameters<typeof verifyCredentials>[0],
  auth: ("publishable:*" | "secret:*" | "user")[],
) {
  const { data, error } = await verifyCredentials(credentials, { auth });
  if (error === null) return data;
  if (error.status < 500) throw new ApiError("UNAUTHENTICATED", { cause: error });
  // Keys or JWKS are not configured: the operator's problem, not the caller's.
  log("error", "auth_not_configured", { error: describeError(error) });
  throw new ApiError("UNAVAILABLE", { cause: error });
}

/** The signed-in person. @throws {ApiError} UNAUTHENTICATED when the request carries no user token */
export async function requireUser(request: Request): Promise<string> {
  const { userId } = await authenticate(request);
  if (userId === null) throw new ApiError("UNAUTHENTICATED");
  return userId;
}

/** Lets only the secret key pass. @throws {ApiError} UNAUTHENTICATED without, FORBIDDEN with a lesser one */
export async function requireService(request: Request): Promise<void> {
  const { isService } = await authenticate(request);
  if (!isService) throw new ApiError("FORBIDDEN");
}
