import { z } from "zod";
import { crashPoint } from "../../_shared/crash_point.ts";
import { rpc } from "../../_shared/database.ts";
import { route } from "../../_shared/route.ts";
import { getProvider } from "../config.ts";
import { dispatchFor } from "../dispatch.ts";
import { runFileTasks } from "../files.ts";
import { checkFor } from "../finish.ts";
import { probeKeys } from "../keys.ts";
import { sendMessages } from "../messages/messages.ts";

const BATCH = { expire: 200, check: 50, files: 200, messages: 25, keys: 5 };
/** Hosted sweeps begin every 10 seconds: the time between two in which accounts get room and tasks come to their end. */
const SECONDS = 8;

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
    messages: z.int().describe("Messages that told somebody about their picture"),
    revived: z.int().describe("Keys of the provider that are well again"),
  }),
  errors: [],
  async handle({ c }) {
    const provider = getProvider();
    // Each part on its own: what is wrong with one keeps no other from its work.
    const [database, checked, dispatched, files, messages, revived, figures] = await Promise
      .allSettled([
        sweepDatabase(),
        checkFor(provider, BATCH.check, SECONDS),
        dispatchFor(provider, SECONDS),
        runFileTasks(BATCH.files),
        sendMessages(BATCH.messages),
        probeKeys(provider, BATCH.keys),
        rpc("roll_up_figures"),
      ]);
    const counts = {
      ...valueOf(database),
      checked: valueOf(checked),
      dispatched: valueOf(dispatched),
      files: valueOf(files),
      messages: valueOf(messages),
      revived: valueOf(revived),
    };
    valueOf(figures);
    c.get("line").isRoutine = Object.values(counts).every((count) => count === 0);
    c.get("line").note(counts);
    return counts;
  },
});

async function sweepDatabase(): Promise<z.infer<typeof databaseCounts>> {
  const counts = await rpc<z.infer<typeof databaseCounts>>("sweep_database", {
    p_limit: BATCH.expire,
  });
  crashPoint("12-database-swept");
  return counts;
}

/** What a part came to. @throws what it failed with, now that all others had their turn */
function valueOf<T>(part: PromiseSettledResult<T>): T {
  if (part.status === "rejected") throw part.reason;
  return part.value;
}
