import assert from "node:assert/strict";
import { createPerson, creditsOf } from "./fixtures.ts";
import { eventually, sql, test } from "./stack.ts";

/** Waits until so many calls of a function wait for locks. */
async function waitingCalls(name: string, count: number): Promise<void> {
  await eventually(`${count} calls of ${name} to wait`, async () => {
    // Not in a test's transaction: it would see one snapshot of the activity for ever.
    const [waiting] = await sql`
      select count(*)::int from pg_stat_activity
      where wait_event_type = 'Lock' and strpos(query, ${name}) > 0 and pid <> pg_backend_pid()`;
    return waiting!.count >= count;
  });
}

test("a photo that fails while its owner's account is being deleted is no deadlock", async () => {
  const person = await createPerson();
  const [generation] = await sql`
    select generation_id as id from begin_generation('pb_a', '3:4', ${person.id} || '/selfie.jpg', null, ${person.id})`;

  // The deletion holds the profile and has yet to reach the photos …
  await sql.begin(async (deletion) => {
    await deletion`select from profiles where id = ${person.id} for update`;
    // … while the failure wants both.
    const failure = sql`select state from fail_generation(${generation!.id}, 'GENERATION_FAILED')`
      .execute();
    await waitingCalls("fail_generation", 1);
    await deletion`delete from auth.users where id = ${person.id}`;
    return { failure };
  }).then(async ({ failure }) => assert.equal((await failure)[0]!.state, "fail"));

  const [row] = await sql`select user_id, status, refunded_at from generations where id = ${
    generation!.id
  }`;
  assert.equal(row!.user_id, null);
  assert.equal(row!.status, "failed");
});

test("two messages for the order of somebody who is being erased are no deadlock", async () => {
  const [referrer, buyer] = [await createPerson(), await createPerson()];
  await sql`update profiles set referred_by = ${referrer.id} where id = ${buyer.id}`;
  const [order] = await sql`
    insert into payment_orders (user_id, pack_id, credits, amount, currency)
    select ${buyer.id}, id, 100, 100, 'ARS' from credit_packs limit 1
    returning id`;
  const payment = `erased-${order!.id}`;
  await sql`select private.purchase_credits(${order!.id}, ${payment})`;
  const rewarded = await creditsOf(referrer.id);
  const reverse = () => sql`select private.reverse_purchase(${payment}, 100) as taken`.execute();

  // Both come while who gets the reward is busy: one before the buyer is gone, one after.
  const messages = await sql.begin(async (busy) => {
    await busy`select from profiles where id = ${referrer.id} for no key update`;
    const before = reverse();
    await waitingCalls("reverse_purchase", 1);
    await sql`delete from auth.users where id = ${buyer.id}`;
    const after = reverse();
    await waitingCalls("reverse_purchase", 2);
    return { before, after };
  });
  const taken = await Promise.all([messages.before, messages.after]);
  assert.deepEqual(taken.map(([row]) => row!.taken).sort(), [0, 100]);
  assert.ok(await creditsOf(referrer.id) < rewarded, "the reward was not taken back");
});
