import { PostgrestClient, type PostgrestError } from "@supabase/postgrest-js";
import type { Database } from "./database.types.ts";
import { requireEnv } from "./env.ts";
import { ApiError, isErrorCode } from "./errors.ts";
import { currentRequestId } from "./http.ts";
import { fetchAsService } from "./service.ts";

let client: PostgrestClient | undefined;

function database(): PostgrestClient {
  return client ??= new PostgrestClient(
    `${requireEnv("SUPABASE_URL")}/rest/v1`,
    {
      schema: "public",
      fetch: fetchAsService,
    },
  );
}

/**
 * Calls a function of the database.
 * @throws {ApiError} the refusal that the function raised (private.refuse), UNAVAILABLE when the
 *   database did not answer, INTERNAL for anything else
 */
export async function rpc<T>(
  name: keyof Database["public"]["Functions"],
  // Not the generated Args: they do not know which arguments may be null.
  args: Record<string, unknown> = {},
): Promise<T> {
  const call = database().rpc(name, args);
  const requestId = currentRequestId();
  if (requestId !== undefined) call.setHeader("x-request-id", requestId); // for private.log_action
  const { data, error, status } = await call;
  if (error === null) return data as T;
  throw toApiError(error, status);
}

function toApiError(error: PostgrestError, status: number): ApiError {
  const refusal = refusalIn(error.details);
  if (refusal !== null) {
    return new ApiError(refusal.code, {
      cause: error,
      ...(refusal.field !== undefined && {
        details: [{ field: refusal.field.replace(/^p_/, ""), message: error.message }],
      }),
      ...(refusal.retry_after !== undefined && { retryAfter: refusal.retry_after }),
    });
  }
  // Status 0: no answer at all. 5xx of the gateway: the database is away.
  return new ApiError(status === 0 || status >= 502 ? "UNAVAILABLE" : "INTERNAL", { cause: error });
}

function refusalIn(details: string | null | undefined) {
  try {
    const parsed = JSON.parse(details ?? "") as Record<string, unknown>;
    if (!isErrorCode(parsed.code)) return null;
    return parsed as { code: typeof parsed.code; field?: string; retry_after?: number };
  } catch {
    return null;
  }
}
