import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import { createEvent, createPerson } from "./fixtures.ts";
import { anonymousClient, sql, stack, test } from "./stack.ts";

/** A client of the Data API in the name of a person. */
function clientOf({ token }: { token: string }) {
  return createClient(stack.api_url, stack.publishable_key, {
    accessToken: () => Promise.resolve(token),
  });
}

test("credit_statement() pages through one's own movements and shows nobody else's", async () => {
  const person = await createPerson();
  for (const amount of [10, 20, -5]) {
    await sql`select private.adjust_credits('user', ${person.id}, ${amount}, 'a correction')`;
  }
  const client = clientOf(person);

  const first = await client.rpc("credit_statement", { p_limit: 2 });
  assert.equal(first.error, null);
  assert.deepEqual(
    first.data.map((row: Record<string, unknown>) => [row.kind, row.amount, row.balance, row.note]),
    [["adjustment", -5, 525, "a correction"], ["adjustment", 20, 530, "a correction"]],
  );
  const second = await client.rpc("credit_statement", { p_limit: 2, p_before: first.data[1].id });
  assert.deepEqual(
    second.data.map((row: Record<string, unknown>) => [row.kind, row.amount, row.balance]),
    [["adjustment", 10, 510], ["signup_bonus", 500, 500]],
  );

  const stranger = clientOf(await createPerson());
  const { data } = await stranger.rpc("credit_statement", { p_account_id: person.id });
  assert.deepEqual(data, []);
  const { error } = await anonymousClient().rpc("credit_statement", { p_account_id: person.id });
  assert.equal(error?.code, "42501");
});

test("credit_statement() of an event is for its partner, without the ids of guests' photos", async () => {
  const event = await createEvent({ credits: 3 });
  const owner = await createPerson({ role: "partner" });
  await sql`update partners set user_id = ${owner.id} where id = ${event.partnerId}`;
  await sql`select increment_event_credit(${event.id})`;

  const account = { p_account: "event", p_account_id: event.id };
  const { data } = await clientOf(owner).rpc("credit_statement", account);
  assert.deepEqual(
    data.map((row: Record<string, unknown>) => [
      row.kind,
      row.amount,
      row.balance,
      row.counterpart,
      row.counterpart_id,
      row.generation_id,
    ]),
    [
      ["charge", -1, 2, "spent", null, null],
      ["allocation", 3, 3, "partner", event.partnerId, null],
    ],
  );
  const { data: foreign } = await clientOf(await createPerson({ role: "partner" }))
    .rpc("credit_statement", account);
  assert.deepEqual(foreign, []);
});

test("no credits can be written through the Data API by anon, a person or the service", async () => {
  const person = await createPerson();
  const event = await createEvent({ credits: 1 });
  const columns = [
    ["profiles", person.id, { credits: 1_000_000 }],
    ["events", event.id, { credits_allocated: 1_000_000 }],
    ["events", event.id, { credits_used: 0 }],
    ["partners", event.partnerId, { credits_total: 1_000_000 }],
    ["partners", event.partnerId, { credits_used: 0 }],
  ] as const;
  const clients = {
    anon: anonymousClient(),
    person: clientOf(person),
    service: anonymousClient(stack.secret_key),
  };
  for (const [name, client] of Object.entries(clients)) {
    for (const [table, id, change] of columns) {
      const { error } = await client.from(table).update(change).eq("id", id);
      assert.equal(error?.code, "42501", `${name} writes ${table} ${JSON.stringify(change)}`);
    }
    const insert = await client.from("profiles").insert({ id: crypto.randomUUID(), credits: 5 });
    assert.equal(insert.error?.code, "42501", `${name} inserts a profile`);
    const ledger = await client.schema("private").from("credit_movements").select("id");
    assert.notEqual(ledger.error, null, `${name} reaches the ledger`);
    const rule = await client.rpc("grant_credits", { p_account: "user", p_account_id: person.id });
    assert.notEqual(rule.error, null, `${name} calls a rule of private`);
  }
});
