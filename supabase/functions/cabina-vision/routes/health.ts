import { rpc } from "../../_shared/database.ts";
import { ApiError } from "../../_shared/errors.ts";
import { type AppContext, ok, renderError } from "../../_shared/http.ts";

/** A row of `get_health`. */
interface Health {
  last_sweep_at: string | null;
  is_sweeping: boolean;
  provider_keys: number;
}

/** `GET /cabina-vision/health`: 503 when the database is away or nothing has swept for 120 seconds. */
export async function getHealth(c: AppContext) {
  let health: Health | undefined;
  try {
    [health] = await rpc<Health[]>("get_health");
  } catch (error) {
    return renderError(c, new ApiError("UNAVAILABLE", { cause: error }), {
      database: "unavailable",
    });
  }
  const facts = {
    database: "ok",
    provider_keys: health?.provider_keys ?? 0,
    last_sweep_at: health?.last_sweep_at ?? null,
  };
  return health?.is_sweeping ? ok(c, facts) : renderError(c, new ApiError("UNAVAILABLE"), facts);
}
