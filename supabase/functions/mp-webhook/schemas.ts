import { z } from "zod";
import { optionalEnv } from "../_shared/env.ts";
import { idempotencyKey } from "../_shared/fields.ts";

/** What buyers send. Unknown fields are refused. */
export const checkoutRequest = z.strictObject({
  pack_id: z.uuid(),
  redirect_url: z.url({ protocol: /^https?$/ }).max(500)
    .refine(
      isAllowedOrigin,
      "not an address of this app (CABINA_ALLOWED_ORIGINS)",
    ).optional(),
  idempotency_key: idempotencyKey.optional(),
});

/** The gateway sends buyers where we say: nowhere but to our own pages. */
function isAllowedOrigin(url: string): boolean {
  const allowed = (optionalEnv("CABINA_ALLOWED_ORIGINS") ?? "").split(",").map((
    o,
  ) => o.trim());
  return allowed.includes(new URL(url).origin);
}
