import assert from "node:assert/strict";
import { createPerson } from "./fixtures.ts";
import { eventually, sql, test } from "./stack.ts";

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
    await eventually("the failure to wait", async () => {
      // Not in the transaction: it would see one snapshot of the activity for ever.
      const [waiting] = await sql`
        select count(*)::int from pg_stat_activity
        where wait_event_type = 'Lock' and query like '%fail_generation%' and pid <> pg_backend_pid()`;
      return waiting!.count > 0;
    });
    await deletion`delete from auth.users where id = ${person.id}`;
    return { failure };
  }).then(async ({ failure }) => assert.equal((await failure)[0]!.state, "fail"));

  const [row] = await sql`select user_id, status, refunded_at from generations where id = ${
    generation!.id
  }`;
  assert.equal(row!.user_id, null);
  assert.equal(row!.status, "failed");
});
