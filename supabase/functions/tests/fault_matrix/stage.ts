// Accounts of a batch's own at the provider, each with its fault; everything else rests meanwhile.
import { changeProvider } from "../provider_simulator.ts";
import { controlProvider, sql, stack } from "../stack.ts";
import type { Batch, FaultCase } from "./fault_case.ts";

/** A provider without faults, quick, with pictures that cost little to draw. */
export const WELL = { scale: 1, latency: { kind: "fixed", ms: 100 }, long_edge: 64 };
/** Times that photos wait for, in seconds. Keys rest until a test lets them work again. */
const QUICK = { retry_seconds: 0.05, cooldown_seconds: 600 };
/** Enough for the answers that do come, on a busy machine too. */
const LOST = { lost_answer_seconds: 4 };
/** Enough for one try. Delivery has to take longer than dispatch. */
const SHORT = {
  dispatch: { dispatch_seconds: 1.5 },
  delivery: { dispatch_seconds: 1.5, delivery_seconds: 3.5 },
};

interface Key {
  api_key: string;
  account_name: string;
  is_active: boolean;
  last_used_at: Date | null;
}

export interface Stage {
  batch: Batch;
  /** The case of each account. */
  accounts: Map<string, FaultCase>;
  /** As many accounts that are well; none when second tries go to those of the other cases. */
  others: string[];
  setActive(accounts: string[], isActive: boolean): Promise<void>;
  /** The time for photos that are not made yet is up soon. */
  shorten(what: "dispatch" | "delivery"): Promise<void>;
  /** The provider is well, and times are as in life, except those that nobody wants to wait for. */
  heal(): Promise<void>;
}

/** Runs `play` on a stage of its own. */
export async function withStage(
  batch: Batch,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const night = crypto.randomUUID().slice(0, 8);
  const accounts = new Map(batch.cases.map((each, i) => [`fault-${night}-${i}`, each]));
  const others = batch.isEverywhere ? [] : batch.cases.map((_, i) => `well-${night}-${i}`);
  // Keys that were never used come first; the others follow, one for each second try.
  const keys = [
    ...[...accounts.keys()].map((name) => restingKey(name, null)),
    ...others.map((name) => restingKey(name, new Date())),
  ];
  const times = batch.losesAnswers ? { ...QUICK, ...LOST } : QUICK;
  await withKeysAlone(keys, times, async (restoreTimes) => {
    await controlProvider({ ...WELL, http_status: batch.httpStatus ?? "inner" });
    await Promise.all(
      [...accounts].map(([account, { faults }]) =>
        changeProvider(stack.sim_url, { account, ...faults })
      ),
    );
    await play({
      batch,
      accounts,
      others,
      async setActive(names, isActive) {
        await sql`update api_key_pool set is_active = ${isActive} where account_name = any (${names})`;
      },
      shorten: (what) => setTimes(SHORT[what]),
      async heal() {
        await controlProvider(WELL);
        await restoreTimes();
        await setTimes(times);
      },
    });
  });
}

function restingKey(account: string, last_used_at: Date | null): Key {
  return { api_key: `sim-${account}:key`, account_name: account, is_active: false, last_used_at };
}

/** Runs `play` with these keys and no others. Times, keys and the provider are as before afterwards. */
export async function withKeysAlone(
  keys: Key[],
  times: Record<string, number>,
  play: (restoreTimes: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const [before] = await sql`
    select ${sql([...Object.keys({ ...times, ...SHORT.delivery })])} from private.settings`;
  const restoreTimes = () => setTimes(before!);
  // Photos that other tests left unfinished would take places that are meant for ours.
  await sql`
    select fail_generation(id, 'PROVIDER_UNAVAILABLE') from generations
    where status in ('queued', 'processing')`;
  const resting = await sql`
    update api_key_pool set is_active = false where is_active returning id`;
  try {
    await setTimes(times);
    await sql`insert into api_key_pool ${sql(keys)}`;
    await play(restoreTimes);
  } finally {
    await restoreTimes();
    const accounts = keys.map(({ account_name }) => account_name);
    await sql`
      update private.alerts set resolved_at = now()
      from api_key_pool
      where subject in (account_name, api_key_pool.id::text)
        and account_name = any (${accounts}) and resolved_at is null`;
    await sql`delete from api_key_pool where account_name = any (${accounts})`;
    const ids = resting.map(({ id }) => id);
    await sql`update api_key_pool set is_active = true where id = any (${ids})`;
    await controlProvider();
  }
}

async function setTimes(times: Record<string, unknown>): Promise<void> {
  await sql`update private.settings set ${sql(times)} where is_singleton`;
}
