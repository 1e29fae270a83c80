import type { MercadoPagoConfig } from "mercadopago/dist/mercadoPagoConfig.js";
import { AppConfig } from "mercadopago/dist/utils/config/index.js";
import type { z } from "zod";
import { requireEnv } from "../../_shared/env.ts";
import { ApiError } from "../../_shared/errors.ts";

// The package is used by single operations. "mercadopago" itself loads twenty clients at every cold start, and
// a client writes the options of one call back into those of the next: a later refund would go out with an
// earlier call's idempotency key.

/**
 * Makes a call that is over after `limitMs` at the latest, with at most one repetition, and checks
 * the answer. The package's own timeout ends with the headers: a body that stalls, or one that is no
 * JSON, is its success.
 */
export async function ask<T>(
  limitMs: number,
  call: (config: MercadoPagoConfig) => Promise<unknown>,
  schema: z.ZodType<T>,
): Promise<T> {
  useBaseUrl(requireEnv("MP_API_URL").replace(/\/+$/, ""));
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => deadline.reject(new Error(`no answer in ${limitMs} ms`)),
    limitMs,
  );
  try {
    const answer = await Promise.race([
      call({
        accessToken: requireEnv("MP_ACCESS_TOKEN"),
        options: {
          timeout: Math.floor(limitMs * 0.45),
          maxRetries: 1,
          initialDelay: 100,
          maxDelay: 200,
        },
      }),
      deadline.promise,
    ]);
    return schema.parse(answer);
  } catch (error) {
    throw new ApiError("UNAVAILABLE", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The package knows no base address but its own. */
function useBaseUrl(value: string): void {
  Object.defineProperty(AppConfig, "BASE_URL", { value, configurable: true, writable: true });
}

/** With milliseconds and an offset in digits, as the gateway writes it. */
export function formatDate(date: Date): string {
  return date.toISOString().replace("Z", "+00:00");
}
