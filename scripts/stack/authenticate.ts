import { errors, type JWTPayload, jwtVerify } from "jose";
import type { StackKeys } from "./keys.ts";

/** Who sent a request, as the database sees it. */
export interface Caller {
  role: string;
  claims: Record<string, unknown>;
}

/** Reads a request's credential; `error` is the answer to a missing or bad one. */
export type Authenticate = (request: Request) => Promise<Caller | { error: Response }>;

/** The kinds of key that the header `apikey` may carry, and the role that each stands for. */
export interface ApiKey {
  type: "publishable" | "secret";
  claims: { role: string };
}

/** Browsers announce themselves so; hosted refuses a secret key from one. */
const BROWSER = /^\s*Mozilla\/5\.0/i;

/** Clocks of two machines differ: PostgREST allows as much. */
const CLOCK_TOLERANCE_SECONDS = 30;

/** Finds the key among the stack's own (opaque keys and legacy JWTs); null for any other. */
export function createKeyResolver(keys: StackKeys): (key: string) => ApiKey | null {
  const anon: ApiKey = { type: "publishable", claims: { role: "anon" } };
  const service: ApiKey = { type: "secret", claims: { role: "service_role" } };
  const known = new Map([
    [keys.publishableKey, anon],
    [keys.anonJwt, anon],
    [keys.secretKey, service],
    [keys.serviceRoleJwt, service],
  ]);
  return (key) => known.get(key) ?? null;
}

/**
 * Reads `apikey` and `Authorization` as the hosted gateway and PostgREST do: the API key says
 * anon or service_role, a user's token beside it replaces that role by its own. A key or token
 * that is present but bad is refused, never ignored.
 */
export function createAuthenticator(keys: StackKeys): Authenticate {
  const resolveKey = createKeyResolver(keys);
  const secret = new TextEncoder().encode(keys.jwtSecret);
  return async (request) => {
    const apiKey = request.headers.get("apikey");
    if (!apiKey) {
      return refuse("No API key found in request", "Send the publishable key in the apikey header");
    }
    const token = bearer(request);
    const resolved = resolveKey(apiKey);
    if (!resolved) return refuse("Invalid API key", "Compare it with the keys in stack.json");
    if (resolved.type === "secret" && BROWSER.test(request.headers.get("user-agent") ?? "")) {
      return refuse("Forbidden use of secret API key in browser", null);
    }
    if (!token || token === apiKey || token.startsWith("sb_")) {
      return { role: resolved.claims.role, claims: resolved.claims };
    }
    const claims = await verifyToken(token, secret);
    if (claims instanceof Response) return { error: claims };
    return { role: typeof claims.role === "string" ? claims.role : "anon", claims };
  };
}

/** The claims of a token that this stack signed, or the 401 with which PostgREST refuses it. */
export async function verifyToken(
  token: string,
  secret: Uint8Array,
): Promise<JWTPayload | Response> {
  try {
    const { payload } = await jwtVerify(token, secret, {
      algorithms: ["HS256"],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    const now = Date.now() / 1000;
    if (payload.iat !== undefined && payload.iat > now + CLOCK_TOLERANCE_SECONDS) {
      return unauthorized("PGRST303", "JWT issued at future");
    }
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) return unauthorized("PGRST303", "JWT expired");
    if (error instanceof errors.JWTClaimValidationFailed) {
      return unauthorized("PGRST303", "JWT not yet valid");
    }
    if (error instanceof errors.JOSEError) {
      return unauthorized("PGRST301", "No suitable key or wrong key type");
    }
    throw error;
  }
}

/** The token of the header `Authorization: Bearer …`, if there is one. */
export function bearer(request: Request): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

function unauthorized(code: string, message: string): Response {
  return Response.json({ code, message, details: null, hint: null }, {
    status: 401,
    headers: { "www-authenticate": `Bearer error="invalid_token", error_description="${message}"` },
  });
}

function refuse(message: string, hint: string | null): { error: Response } {
  return { error: Response.json({ message, hint }, { status: 401 }) };
}
