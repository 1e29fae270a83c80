import { z } from "zod";
import { idempotencyKey, instant } from "../../_shared/fields.ts";

/** A movement of credits that staff asked for, as it stands in the ledger. */
export const movement = z.object({
  id: z.int(),
  kind: z.enum(["allocation", "transfer", "grant", "adjustment"]),
  amount: z.int(),
  created_at: instant,
});
export type MovementRow = z.input<typeof movement>;

/** The key of a request that moves credits. */
export const movementKey = idempotencyKey.optional()
  .describe(
    "The same request with the same key moves credits once, and gets the same movement",
  );
