import { requireService } from "../../_shared/auth.ts";
import { rpc } from "../../_shared/database.ts";
import { type AppContext, ok } from "../../_shared/http.ts";
import { getProvider } from "../config.ts";
import { dispatchQueued } from "../dispatch.ts";
import { runFileTasks } from "../files.ts";
import { checkDue } from "../finish.ts";

const BATCH = { expire: 200, check: 50, dispatch: 40, files: 200 };

/**
 * `POST /cabina-vision/sweep` (secret key): finds and finishes what no request looks after. Bounded,
 * restartable, safe to run twice at once: everything is claimed before it is touched.
 */
export async function postSweep(c: AppContext) {
  await requireService(c.req.raw);
  const database = await rpc<Record<string, number>>("sweep_database", { p_limit: BATCH.expire });
  const provider = getProvider();
  const checked = await checkDue(provider, BATCH.check);
  const dispatched = await dispatchQueued(provider, BATCH.dispatch);
  const files = await runFileTasks(BATCH.files);
  const counts = { ...database, checked, dispatched, files };
  c.set("isRoutine", Object.values(counts).every((count) => count === 0));
  Object.assign(c.get("logFields"), counts);
  return ok(c, counts);
}
