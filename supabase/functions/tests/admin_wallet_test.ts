// A partner's wallet: balance, statement, and the same as a table for a spreadsheet.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createPerson } from "./fixtures.ts";
import { callAdmin, createPartner, refusalOf } from "./staff.ts";
import { sql, test } from "./stack.ts";

/** A partner whose history has a movement in and out, and one of a deleted event. */
async function createHistory() {
  const partner = await createPartner({ credits: 100 });
  const create = async (event_name: string) =>
    (await callAdmin(partner, "POST", "events", { event_name })).body.event.id as string;
  const give = (id: string, amount: number) =>
    callAdmin(partner, "POST", `events/${id}/credits`, { amount });
  const kept = await create('=HYPERLINK("x"), "Fiesta"');
  await give(kept, 30);
  const dropped = await create("Dropped");
  await give(dropped, 5);
  await callAdmin(partner, "DELETE", `events/${dropped}`);
  await sql`select private.grant_credits('partner', ${partner.partnerId}, 10, '@gift, "thanks"')`;
  return { partner, kept, dropped };
}

test("the wallet shows every movement with the balance after it, page by page", async () => {
  const { partner, kept, dropped } = await createHistory();
  const seen = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const path = `wallet?limit=2${cursor && `&cursor=${cursor}`}`;
    const { status, body } = await callAdmin(partner, "GET", path);
    assert.equal(status, 200);
    assert.deepEqual([body.wallet.credits_left, body.wallet.credits_used], [80, 30]);
    seen.push(...body.movements);
    cursor = body.next_cursor;
  }
  const rows = seen.map(({ kind, amount, balance, counterpart, event_id, event_name, note }) => [
    kind,
    amount,
    balance,
    counterpart,
    event_id,
    event_name,
    note,
  ]);
  assert.deepEqual(rows, [
    ["grant", 10, 80, "issued", null, null, '@gift, "thanks"'],
    ["return", 5, 70, "event", dropped, null, null],
    ["allocation", -5, 65, "event", dropped, null, null],
    ["allocation", -30, 70, "event", kept, '=HYPERLINK("x"), "Fiesta"', null],
    ["grant", 100, 100, "issued", null, null, "test"],
  ]);
});

test("as CSV it is the whole statement, and no name in it becomes a formula", async () => {
  const { partner, kept } = await createHistory();
  for (const [path, headers] of [["?format=csv", {}], ["", { accept: "text/csv" }]] as const) {
    const answer = await callAdmin(partner, "GET", `wallet${path}`, undefined, headers);
    assert.equal(answer.headers.get("content-type"), "text/csv; charset=utf-8");
    assert.match(answer.headers.get("content-disposition")!, /^attachment/);
    const [header, ...lines] = (answer.body as string).split("\r\n");
    assert.equal(
      header,
      "id,created_at,kind,amount,balance,counterpart,event_id,event_name,order_id,note",
    );
    assert.equal(lines.length, 6);
    assert.ok(lines[0]!.endsWith(`,grant,10,80,issued,,,,"'@gift, ""thanks"""`));
    const name = `"'=HYPERLINK(""x""), ""Fiesta"""`;
    assert.ok(lines[3]!.endsWith(`,allocation,-30,70,event,${kept},${name},,`));
    assert.equal(lines[5], "");
  }
});

test("a statement longer than a page is streamed without gaps", async () => {
  const partner = await createPartner();
  await sql`
    select private.grant_credits('partner', ${partner.partnerId}, n, 'n')
    from generate_series(1, 2500) as n`;
  const { body } = await callAdmin(partner, "GET", "wallet?format=csv");
  const lines = (body as string).trimEnd().split("\r\n").slice(1).map((line) => line.split(","));
  assert.deepEqual(
    lines.map(([, , , amount, balance]) => [Number(amount), Number(balance)]),
    Array.from({ length: 2500 }, (_, i) => 2500 - i).map((n) => [n, n * (n + 1) / 2]),
  );
});

test("a wallet is its partner's and a master's; what is asked wrongly is named", async () => {
  const [partner, rival, user] = await Promise.all([
    createPartner({ credits: 5 }),
    createPartner(),
    createPerson(),
  ]);
  const ask = async (person: { token: string } | null, query = "") =>
    refusalOf(await callAdmin(person, "GET", `wallet${query}`));
  const theirs = `?partner_id=${partner.partnerId}`;
  assert.deepEqual(await ask(rival, theirs), [404, "NOT_FOUND", undefined]);
  assert.deepEqual(await ask(rival, `${theirs}&format=csv`), [404, "NOT_FOUND", undefined]);
  assert.deepEqual(await ask(user), [403, "FORBIDDEN", undefined]);
  assert.deepEqual(await ask(null), [401, "UNAUTHENTICATED", undefined]);
  for (
    const [query, field] of [
      ["?format=xml", "format"],
      ["?limit=201", "limit"],
      ["?cursor=WyJ4Il0", "cursor"],
      ["?partner_id=1", "partner_id"],
    ] as const
  ) {
    assert.deepEqual(await ask(partner, query), [400, "INVALID_INPUT", field], query);
  }
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const { body } = await callAdmin(master, "GET", `wallet${theirs}`);
    assert.equal(body.wallet.credits_left, 5);
    assert.deepEqual(await ask(master), [400, "INVALID_INPUT", "partner_id"]);
    const nobody = `?partner_id=${crypto.randomUUID()}`;
    assert.deepEqual(await ask(master, nobody), [404, "NOT_FOUND", undefined]);
  });
});
