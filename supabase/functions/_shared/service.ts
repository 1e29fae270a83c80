import { requireSecretKey } from "./api_keys.ts";
import { requireEnv } from "./env.ts";
import { ApiError } from "./errors.ts";
import { fetchOnce } from "./fetch.ts";

// The project's own services, asked with the rights of the service. The packages for database and storage are
// used by themselves: supabase-js brings those for sign-in and realtime, a quarter of a cold start.

/** Longest wait for a service, headers and body. */
const TIMEOUT_MS = 20_000;

/** `fetch` for the project's own services: with the secret key, sent at most once, over after 20 seconds. */
export async function fetchAsService(
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const key = requireSecretKey();
  const headers = new Headers(init.headers);
  headers.set("apikey", key);
  headers.set("authorization", `Bearer ${key}`);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([timeout, init.signal]) : timeout;
  return await fetchOnce(input, { ...init, headers, signal });
}

/** Deletes an account; one that is gone already counts as deleted. @throws {ApiError} UNAVAILABLE */
export async function deleteUser(id: string): Promise<void> {
  const address = `${requireEnv("SUPABASE_URL")}/auth/v1/admin/users/${id}`;
  const answer = await fetchAsService(address, { method: "DELETE" }).catch((cause) => {
    throw new ApiError("UNAVAILABLE", { cause });
  });
  await answer.body?.cancel();
  if (!answer.ok && answer.status !== 404) {
    throw new ApiError("UNAVAILABLE", { cause: `auth answered ${answer.status}` });
  }
}
