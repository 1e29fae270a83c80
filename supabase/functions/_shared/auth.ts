import { kindOfKey } from "./api_keys.ts";
import { ApiError } from "./errors.ts";
import { verifyUserToken } from "./user_token.ts";

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
  const bearer = bearerOf(request);
  const isKey = bearer?.startsWith("sb_") ?? false;
  const token = isKey ? null : bearer;
  const keys = new Set([request.headers.get("apikey"), isKey ? bearer : null]);
  keys.delete(null);
  if (keys.size === 0 && token === null) throw new ApiError("UNAUTHENTICATED");

  let isService = false;
  for (const key of keys) {
    const kind = kindOfKey(key!);
    if (kind === null) throw new ApiError("UNAUTHENTICATED");
    isService ||= kind === "secret";
  }
  return {
    userId: token === null ? null : await verifyUserToken(token),
    isService,
  };
}

/** What `Authorization: Bearer` carries; null without the header. @throws {ApiError} UNAUTHENTICATED for anything else */
function bearerOf(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null || header === "") return null;
  const bearer = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (bearer === undefined) throw new ApiError("UNAUTHENTICATED"); // present but bad, so not ignored
  return bearer;
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
