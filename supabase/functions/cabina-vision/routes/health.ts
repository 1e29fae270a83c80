import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ApiError } from "../../_shared/errors.ts";
import { instant } from "../../_shared/fields.ts";
import { renderError } from "../../_shared/http.ts";
import { route } from "../../_shared/route.ts";

/** A row of `get_health`. */
interface Health {
  last_sweep_at: string | null;
  is_sweeping: boolean;
  provider_keys: number;
}

const facts = z.object({
  database: z.enum(["ok", "unavailable"]),
  provider_keys: z.int().describe("Keys in rotation at the provider"),
  last_sweep_at: instant.nullable(),
});

export const getHealth = route({
  method: "get",
  path: "/health",
  credential: "anyone",
  summary: "Whether photos can be made and finished.",
  description: "503 when the database is away or nothing has swept for 120 seconds.",
  answer: facts,
  errors: ["UNAVAILABLE"],
  failure: facts.partial(),
  async handle({ c }) {
    let health: Health | undefined;
    try {
      [health] = await rpc<Health[]>("get_health");
    } catch (error) {
      return renderError(c, new ApiError("UNAVAILABLE", { cause: error }), {
        database: "unavailable",
      });
    }
    const known = {
      database: "ok" as const,
      provider_keys: health?.provider_keys ?? 0,
      last_sweep_at: health?.last_sweep_at ?? null,
    };
    return health?.is_sweeping ? known : renderError(c, new ApiError("UNAVAILABLE"), known);
  },
});
