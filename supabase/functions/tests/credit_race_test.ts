import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import postgres from "postgres";
import { createEvent } from "./fixtures.ts";
import { eventually, sql, stack, test } from "./stack.ts";

type Call = (sql: postgres.Sql) => postgres.PendingQuery<postgres.Row[]>;

/** What came of a call: its first row, or the code of its refusal (else the SQLSTATE). */
type Outcome = { row: postgres.Row; code?: never } | { code: string; row?: never };

/**
 * Makes the calls truly at once: each on a connection of its own (64 at most, the rest follow), all of
 * them waiting at the rows of an event and its partner until everybody (`waiting`) is there.
 */
async function atOnce(
  event: { id: string },
  calls: Call[],
  { waiting = Math.min(calls.length, 64) } = {},
): Promise<Outcome[]> {
  const name = `race-${randomInt(2 ** 40).toString(36)}`;
  const max = Math.min(calls.length, 64);
  const pool = postgres(stack.db_url, {
    max,
    onnotice: () => {},
    connection: { application_name: name },
  });
  try {
    const outcomes = await sql.begin(async (gate) => {
      await gate`
        select from events join partners on partners.id = events.partner_id
        where events.id = ${event.id} for no key update`;
      const started = calls.map((call) => outcomeOf(call(pool)));
      await eventually(`${waiting} connections to wait`, async () => {
        const [activity] = await sql`
          select count(*)::int from pg_stat_activity
          where application_name = ${name} and wait_event_type = 'Lock'`;
        return activity!.count >= waiting;
      });
      return { started };
    });
    return await Promise.all(outcomes.started);
  } finally {
    await pool.end();
  }
}

async function outcomeOf(query: postgres.PendingQuery<postgres.Row[]>): Promise<Outcome> {
  try {
    const [row] = await query;
    return { row: row! };
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    return {
      code: error.code.startsWith("PT") ? JSON.parse(error.detail ?? "{}").code : error.code,
    };
  }
}

/** A photo for an event, which nothing dispatches because it has no selfie. */
function beginPhoto(sql: postgres.Sql, eventId: string) {
  return sql`
    select (begin_generation('pb_a', '3:4', null, 'hash', p_event_id => ${eventId})).generation_id as id`;
}

function failPhoto(sql: postgres.Sql, id: string) {
  return sql`select (fail_generation(${id}, 'GENERATION_FAILED')).state`;
}

/** Completes a photo by an attempt that its queue never saw. */
async function prepareCompletion(id: string): Promise<Call> {
  const [attempt] = await sql`
    insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
    values (${id}, 1, 'race', '', 'race', 1) returning id`;
  return (sql) =>
    sql`
    select (complete_generation(
      ${attempt!.id}, ${`race:${attempt!.id}`}, 'generations', null, null, null
    )).state`;
}

/** How often each answer was given. */
function tally(outcomes: Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code = "ok" } of outcomes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** What an event and its partner hold, by their rows. */
async function balancesOf(event: { id: string; partnerId: string }) {
  const [row] = await sql`
    select events.credits_allocated as allocated, events.credits_used as used,
      partners.credits_total as total, partners.credits_used as partner_used
    from events join partners on partners.id = events.partner_id where events.id = ${event.id}`;
  return { ...row };
}

/** How many movements of a kind an event's partner and the event itself have. */
async function countMovements(event: { id: string; partnerId: string }, kind: string) {
  const [row] = await sql`
    select count(*)::int from private.credit_movements
    where kind = ${kind} and array[source_id, destination_id] && ${[event.id, event.partnerId]}`;
  return row!.count as number;
}

function shuffle<T>(items: T[]): T[] {
  return items.map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place).map(({ item }) => item);
}

test("an event with 100 credits and 500 guests at once makes exactly 100 charges", async () => {
  const event = await createEvent({ credits: 100 });
  const outcomes = await atOnce(
    event,
    Array.from({ length: 500 }, () => (sql) => beginPhoto(sql, event.id)),
  );
  assert.deepEqual(tally(outcomes), { ok: 100, EVENT_SOLD_OUT: 400 });
  const ids = outcomes.flatMap(({ row }) => row?.id ?? []);
  assert.equal(new Set(ids).size, 100);

  const [charged] = await sql`
    select count(*)::int, count(distinct generation_id)::int as photos, sum(amount)::int as credits
    from private.credit_movements where source_id = ${event.id} and kind = 'charge'`;
  assert.deepEqual({ ...charged }, { count: 100, photos: 100, credits: 100 });
  const [rows] = await sql`select count(*)::int from generations where event_id = ${event.id}`;
  assert.equal(rows!.count, 100);
  assert.equal((await balancesOf(event)).used, 100);

  // Given back as suddenly, each of them by several at once.
  const failures = ids.flatMap((id) => [id, id, id].map((id): Call => (sql) => failPhoto(sql, id)));
  assert.deepEqual(tally(await atOnce(event, failures)), { ok: 300 });
  assert.deepEqual(await balancesOf(event), {
    allocated: 100,
    used: 0,
    total: 100,
    partner_used: 100,
  });
});

/** Each movement that staff asks for, of an amount, under a key. */
function staffMovements(event: { id: string; partnerId: string }, otherId: string) {
  const staff = crypto.randomUUID();
  return {
    grant: (amount: number, key: string): Call => (sql) =>
      sql`
      select id from private.grant_credits('partner', ${event.partnerId}, ${amount}, 'Race', ${key}, ${staff})`,
    adjustment: (amount: number, key: string): Call => (sql) =>
      sql`
      select id from private.adjust_credits('partner', ${event.partnerId}, ${-amount}, 'Race', ${key}, ${staff})`,
    allocation: (amount: number, key: string): Call => (sql) =>
      sql`
      select id from private.allocate_event_credits(${event.id}, ${amount}, ${key}, ${staff})`,
    transfer: (amount: number, key: string): Call => (sql) =>
      sql`
      select id from private.transfer_event_credits(${event.id}, ${otherId}, ${amount}, ${key}, ${staff})`,
  };
}

test("one key at once on 16 connections makes one movement, and of two requests one", async () => {
  const event = await createEvent({ credits: 100 });
  await sql`select private.grant_credits('partner', ${event.partnerId}, 100, 'Race')`;
  const [other] = await sql`
    insert into events (event_name, event_slug, partner_id)
    values ('Race', ${`${event.slug}-b`}, ${event.partnerId}) returning id`;

  for (const [kind, move] of Object.entries(staffMovements(event, other!.id))) {
    const before = await countMovements(event, kind);
    const sameKey = crypto.randomUUID();
    const same = await atOnce(event, Array.from({ length: 16 }, () => move(7, sameKey)));
    assert.deepEqual(tally(same), { ok: 16 }, kind);
    assert.equal(new Set(same.map(({ row }) => row!.id)).size, 1, kind);

    const bothKey = crypto.randomUUID();
    const both = await atOnce(
      event,
      Array.from({ length: 16 }, (_, i) => move(3 + i % 2, bothKey)),
    );
    assert.deepEqual(tally(both), { ok: 8, IDEMPOTENCY_CONFLICT: 8 }, kind);
    assert.equal(new Set(both.flatMap(({ row }) => row?.id ?? [])).size, 1, kind);
    assert.equal(await countMovements(event, kind), before + 2, kind);
  }
});

test("an event that is closed while photos begin, fail and finish strands nothing", async () => {
  for (let round = 0; round < 20; round++) {
    const event = await createEvent({ credits: 20 });
    const begun = await Promise.all(Array.from({ length: 12 }, () => beginPhoto(sql, event.id)));
    const ids: string[] = begun.map(([row]) => row!.id);
    const completions = await Promise.all(ids.slice(0, 3).map(prepareCompletion));

    const outcomes = await atOnce(
      event,
      shuffle([
        (sql) => sql`select closed_at from private.close_event(${event.id})`,
        ...completions,
        ...ids.slice(3).map((id): Call => (sql) => failPhoto(sql, id)),
        ...Array.from({ length: 8 }, (): Call => (sql) => beginPhoto(sql, event.id)),
      ]),
      // The completions have nothing to wait for.
      { waiting: 18 },
    );
    const refusals = outcomes.flatMap(({ code }) => code ?? []);
    assert.deepEqual(refusals.filter((code) => code !== "EVENT_ENDED"), []);
    const late = outcomes.flatMap(({ row }) => row?.id ?? []);
    for (const id of late) await failPhoto(sql, id);

    assert.deepEqual(
      await balancesOf(event),
      { allocated: 3, used: 3, total: 20, partner_used: 3 },
      `round ${round}`,
    );
  }
});
