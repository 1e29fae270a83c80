import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { route } from "../../_shared/route.ts";
import { getProvider } from "../config.ts";
import { dispatchQueued } from "../dispatch.ts";
import { runFileTasks } from "../files.ts";
import { checkDue } from "../finish.ts";

const BATCH = { expire: 200, check: 50, dispatch: 40, files: 200 };

/** What `sweep_database` counts. */
const databaseCounts = z.object({
  expired: z.int().describe("Photos given up, with their credit returned"),
  requeued: z.int().describe("Claims that nobody followed up"),
  abandoned: z.int().describe("Tries whose picture is no longer waited for"),
  selfies: z.int().describe("Selfies whose removal was planned"),
});

export const sweep = route({
  method: "post",
  path: "/sweep",
  credential: "service",
  summary: "Finds and finishes what no request looks after.",
  description:
    "Bounded, restartable, safe to run twice at once: everything is claimed before it is touched.",
  answer: databaseCounts.extend({
    checked: z.int().describe("Photos looked up at the provider"),
    dispatched: z.int().describe("Photos handed to the provider"),
    files: z.int().describe("Files removed or moved"),
  }),
  errors: [],
  async handle({ c }) {
    const database = await rpc<z.infer<typeof databaseCounts>>(
      "sweep_database",
      {
        p_limit: BATCH.expire,
      },
    );
    const provider = getProvider();
    const checked = await checkDue(provider, BATCH.check);
    const dispatched = await dispatchQueued(provider, BATCH.dispatch);
    const files = await runFileTasks(BATCH.files);
    // Last and in a transaction of its own: numbers can wait, photos cannot.
    await rpc("roll_up_figures");
    const counts = { ...database, checked, dispatched, files };
    c.set("isRoutine", Object.values(counts).every((count) => count === 0));
    Object.assign(c.get("logFields"), counts);
    return counts;
  },
});
