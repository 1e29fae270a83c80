// Every fault that the provider's simulator can play, at every step that it can strike. Minutes are shortened to
// parts of a second by their settings. The provider client's own patience (20 s for a creation, 10 s for a look,
// 60 s for a download) is not waited for: what is late or lost here is so within less.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { batches } from "./fault_matrix/batches.ts";
import {
  isSettled,
  keyHealth,
  openAlerts,
  type Outcome,
  outcomes,
} from "./fault_matrix/outcome.ts";
import {
  areOver,
  beginPhotos,
  firstTries,
  type Keepers,
  lookAfter,
} from "./fault_matrix/photos.ts";
import { type Stage, withStage } from "./fault_matrix/stage.ts";
import { countTasks } from "./provider_simulator.ts";
import { sql, stack, test } from "./stack.ts";

for (const batch of batches) {
  test(`${batch.name}: every photo arrives or is refunded (${batch.cases.length} faults)`, () =>
    withStage(batch, async (stage) => {
      const photos = await beginPhotos(batch.cases.length);
      const told = [...stage.accounts].filter(([, { isToldByCallback }]) => isToldByCallback);
      const keepers = lookAfter(photos, batch, told.map(([account]) => account));
      await stage.setActive([...stage.accounts.keys(), ...stage.others], true);
      await keepers.until(
        "the first try of every photo",
        async () => (await firstTries(photos)).size === photos.length,
      );
      if (batch.shortened !== undefined) await stage.shorten(batch.shortened);
      await keepers.until("the end of every photo", () => areOver(photos));
      const accounts = await firstTries(photos);
      await assertOutcomes(stage, accounts);
      await assertRecovery(stage, accounts, keepers);
      await assertUsable(stage);
      await keepers.stop();
      await assertTasks(stage, accounts);
    }));
}

/** Each photo ended as its case says, for its guest, its event, the provider and the key. */
async function assertOutcomes({ accounts }: Stage, photos: Map<string, string>): Promise<void> {
  const found = await outcomes([...photos.values()]);
  const health = await keyHealth(accounts.keys());
  const surprises = [...accounts].flatMap(([account, { name, ends, key }]) => {
    const actual = { ...found.get(photos.get(account)!), key: health.get(account) };
    const expected = { ends, ...madeOrRefunded(ends === "succeeded"), key };
    return isDeepStrictEqual(actual, expected) ? [] : [{ name, expected, actual }];
  });
  assert.deepEqual(surprises, []);
}

function madeOrRefunded(isMade: boolean): Omit<Outcome, "ends"> {
  const charged = isMade ? 1 : 0;
  return { charged: [charged, charged], isRefunded: !isMade, hasPicture: isMade };
}

/** With the provider well again nothing is stuck, and a picture that was given up comes for free. */
async function assertRecovery(
  { accounts, heal }: Stage,
  photos: Map<string, string>,
  keepers: Keepers,
): Promise<void> {
  await heal();
  await keepers.until(
    "the end of every try, the removal of selfies and the return of keys",
    async () => {
      // As if the time for the next probe had come.
      await sql`
      update api_key_pool set cooldown_until = now()
      where account_name = any (${[...accounts.keys()]}) and cooldown_until > now()`;
      return await isSettled([...photos.values()], accounts.keys());
    },
  );
  assert.equal(await openAlerts(accounts.keys()), 0);

  const late = [...accounts].filter(([, { ends }]) => ends === "GENERATION_TIMED_OUT");
  const found = await outcomes(late.map(([account]) => photos.get(account)!));
  for (const outcome of found.values()) {
    assert.deepEqual(outcome, {
      ends: "succeeded",
      charged: [0, 0],
      isRefunded: true,
      hasPicture: true,
    });
  }
}

/** Each key makes one more photo. */
async function assertUsable({ batch, accounts, others, setActive }: Stage): Promise<void> {
  await setActive(others, false);
  const photos = await beginPhotos(accounts.size);
  const keepers = lookAfter(photos, batch);
  await keepers.until("one more photo with every key", () => areOver(photos));
  const found = await outcomes(photos);
  const made = [...found.values()].filter(({ ends, hasPicture }) =>
    ends === "succeeded" && hasPicture
  );
  assert.equal(made.length, accounts.size);
  assert.deepEqual(
    [...(await firstTries(photos)).keys()].sort(),
    [...accounts.keys()].sort(),
    "each key was used once",
  );
  assert.deepEqual([...new Set((await keyHealth(accounts.keys())).values())], ["ready"]);
  await keepers.stop();
}

/** The provider made as many tasks as each case says: none is repeated without need. */
async function assertTasks({ accounts }: Stage, photos: Map<string, string>): Promise<void> {
  const made = await countTasks(stack.sim_url);
  const surprises = [...accounts].flatMap(([account, { name, tasks }]) => {
    const actual = made.get(photos.get(account)!) ?? 0;
    return actual === tasks ? [] : [{ name, expected: tasks, actual }];
  });
  assert.deepEqual(surprises, []);
}
