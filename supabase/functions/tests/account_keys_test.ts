// Keys of one account share its balance, its rate and its health, so each request that ends concerns all of them.
import assert from "node:assert/strict";
import { areOver, beginPhotos, lookAfter } from "./fault_matrix/photos.ts";
import { WELL, withKeysAlone } from "./fault_matrix/stage.ts";
import { controlProvider, sql, test } from "./stack.ts";

const PHOTOS = 60;

/** Transactions that the database ended because they waited for each other in a circle. */
async function countDeadlocks(): Promise<number> {
  const [row] = await sql`
    select deadlocks::integer from pg_stat_database where datname = current_database()`;
  return row!.deadlocks;
}

test("keys of one account are claimed, healed and judged at once, and nobody waits in a circle", async () => {
  const night = crypto.randomUUID().slice(0, 8);
  const keys = ["a", "b"].flatMap((account) =>
    [1, 2, 3].map((number) => ({
      api_key: `sim-${night}${account}:${number}`,
      account_name: `${night}${account}`,
      is_active: true,
      last_used_at: null,
    }))
  );
  const times = { retry_seconds: 0.05, cooldown_seconds: 0.05, provider_window_seconds: 0.5 };
  await withKeysAlone(keys, times, async () => {
    const before = await countDeadlocks();
    await controlProvider({
      ...WELL,
      limits: { creates: 1000, queries: 1000 },
      create: { kind: "code", code: 429, rate: 0.4 },
    });
    const photos = await beginPhotos(PHOTOS);
    const keepers = lookAfter(photos, { lookedAfterBy: "guests" });
    await keepers.until("the end of every photo", () => areOver(photos));
    await keepers.stop();
    const [row] = await sql`
      select count(*)::integer as made from generations where id = any (${photos}) and status = 'succeeded'`;
    assert.equal(row!.made, PHOTOS);
    assert.equal(await countDeadlocks(), before);
  });
});
