import { isolatedEnvironment, startTestStack } from "../stack/testing.ts";
import { percentile, round } from "./figures.ts";
import { measureUploads } from "./party_memory.ts";
import { ownTimes } from "./party_times.ts";

/** Real time for time; `--scale=0.5` plays the evening twice as fast. */
const DEFAULT_SCALE = 1;

export interface PartyResult {
  about: Record<string, string | number>;
  figures: Record<string, Record<string, number | null>>;
}

/**
 * Plays the party of supabase/functions/tests/party_test.ts, each guest with an upload of their own, and measures
 * our own time for each photo, how long photos waited for dispatch, which part of the provider's slots was used
 * while they did, and how much memory the function process takes for large uploads. Throws when a credit or a
 * photo was lost.
 */
export async function benchParty(): Promise<PartyResult> {
  const scale = Number(
    Deno.args.find((arg) => arg.startsWith("--scale="))?.slice("--scale=".length) ?? DEFAULT_SCALE,
  );
  const env: Record<string, string> = {
    ...await isolatedEnvironment(),
    CABINA_LOG_POLLS: "1", // the log is where own times are read from
    CABINA_TRUST_TEST_IP: "1",
  };
  const stack = await startTestStack(env);
  try {
    // The tests' helpers find the stack by this.
    Deno.env.set("CABINA_STACK", stack.infoFile);
    const tests = "../../supabase/functions/tests";
    const { playParty } = await import(`${tests}/party.ts`);
    const { uploadSelfie } = await import(`${tests}/fixtures.ts`);
    const { makePhoto } = await import(`${tests}/photos.ts`);
    const { assertAuditEmpty, sql } = await import(`${tests}/stack.ts`);
    const memory = await measureUploads();
    const photo = await makePhoto();
    const party = await playParty({
      scale,
      guests: 500,
      credits: 400,
      guestsOfSecondEvent: 20,
      selfie: (slug: string) => uploadSelfie(slug, photo),
    });
    await assertAuditEmpty();
    const waits = async (id: string) => {
      const rows = await sql`
        select extract(epoch from min(claimed_at) - created_at)::real as dispatched,
          extract(epoch from succeeded_at - created_at)::real as arrived
        from generations join private.generation_attempts on generation_id = generations.id
        where event_id = ${id} group by generations.id`;
      return {
        "wait for dispatch, s": spread(rows.map((row: { dispatched: number }) => row.dispatched)),
        "wait for picture, s": spread(
          rows.flatMap((row: { arrived: number | null }) => row.arrived ?? []),
        ),
      };
    };
    const [first, second] = [await waits(party.first.id), await waits(party.second.id)];
    const lost = party.guests.filter(({ outcome }: { outcome: string }) =>
      !["picture", "EVENT_SOLD_OUT", "GENERATION_FAILED"].includes(outcome)
    );
    if (lost.length > 0) throw new Error(`Guests were lost: ${JSON.stringify(lost.slice(0, 3))}`);
    const answers = party.guests.flatMap(({ statuses }: { statuses: number[] }) => statuses);
    await sql.end();
    return {
      about: {
        scale,
        guests: party.guests.length,
        pictures: party.guests.filter((guest: { outcome: string }) => guest.outcome === "picture")
          .length,
        answers_5xx: answers.filter((status: number) => status >= 500).length,
        accepted_per_second: round(party.acceptedPerSecond),
        slots_used: party.slots.used,
        slots_offered: party.slots.offered,
        slots_ratio: round(party.slots.used / party.slots.offered),
        slots_goal: 0.95,
        creates_429: party.requests.rejected_429,
        queries_429: party.requests.queries_rejected_429,
        ...memory,
      },
      figures: {
        ...Object.fromEntries(
          Object.entries(ownTimes(stack.log())).map(([part, times]) => [
            `own time of ${part}, ms`,
            spread(times),
          ]),
        ),
        ...Object.fromEntries(Object.entries(first).map(([name, of]) => [`first: ${name}`, of])),
        ...Object.fromEntries(Object.entries(second).map(([name, of]) => [`second: ${name}`, of])),
      },
    };
  } finally {
    await stack.stop();
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
}

function spread(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    p50: round(percentile(sorted, 0.5)),
    p95: round(percentile(sorted, 0.95)),
    p99: round(percentile(sorted, 0.99)),
    max: round(sorted.at(-1) ?? NaN),
  };
}
