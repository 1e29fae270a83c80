// What reaches a photo at the same moment: two ends of it, sweeps of several processes, requests of one guest.
import assert from "node:assert/strict";
import postgres from "postgres";
import { createEvent, createPerson, creditsOf, creditsUsed } from "./fixtures.ts";
import { guestRequest, makePhoto, toDataUrl } from "./photos.ts";
import { callFunction, sql, stack, sweep, test } from "./stack.ts";

/** Photos that nobody dispatches, with an attempt each that the test finishes itself. */
async function beginPhotos(
  payer: { event_id: string } | { user_id: string },
  count: number,
): Promise<{ id: string; attempt: number }[]> {
  const photos = [];
  for (let i = 0; i < count; i++) {
    const photo = await sql.begin(async (tx) => {
      const [begun] = await tx`
        select (begin_generation('pb_a', '3:4', 'race/photo.jpg', 'h',
          p_event_id => ${"event_id" in payer ? payer.event_id : null},
          p_user_id => ${"user_id" in payer ? payer.user_id : null})).generation_id as id`;
      await tx`update generations set status = 'processing', started_at = now() where id = ${
        begun!.id
      }`;
      const [attempt] = await tx`
        insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
        values (${begun!.id}, 1, 'race', 'x', 'race', 1) returning id`;
      return { id: begun!.id as string, attempt: Number(attempt!.id) };
    });
    photos.push(photo);
  }
  return photos;
}

/** Calls of service functions as several processes make them, each in a transaction of its own. */
async function withProcesses<T>(count: number, body: (sql: postgres.Sql) => Promise<T>) {
  const pool = postgres(stack.db_url, { max: count, onnotice: () => {} });
  try {
    return await body(pool);
  } finally {
    await pool.end();
  }
}

const ends: ((db: postgres.Sql, photo: { id: string; attempt: number }) => Promise<unknown>)[] = [
  (db, { attempt }) =>
    db`select complete_generation(${attempt}, ${`race-${attempt}`}, 'generations', 'https://x.test/p.png', 1, 1)`,
  (db, { attempt }) => db`select record_submission(${attempt}, ${`race-${attempt}`})`,
  (db, { attempt }) => db`select fail_attempt(${attempt}, 'GENERATION_FAILED', 'race', false)`,
  (db, { attempt }) => db`select release_attempt(${attempt}, '500', 'race', 'cool_down')`,
  (db, { id }) => db`select fail_generation(${id}, 'GENERATION_TIMED_OUT')`,
];

test("whatever ends a photo at the same moment, it ends once and is paid or refunded once", async () => {
  const event = await createEvent({ credits: 60 });
  const person = await createPerson();
  const before = await creditsOf(person.id);
  const photos = [
    ...await beginPhotos({ event_id: event.id }, 55),
    ...await beginPhotos({ user_id: person.id }, 5),
  ];
  await withProcesses(10, async (db) => {
    await Promise.all(photos.flatMap((photo, i) =>
      // Each photo meets all ends, each time another one first.
      ends.map((_, k) => ends[(i + k) % ends.length]!(db, photo))
    ));
  });
  const rows = await sql`
    select status, credits_charged, refunded_at is not null as is_refunded, event_id
    from generations where id = any (${photos.map(({ id }) => id)})`;
  for (const { status, credits_charged, is_refunded } of rows) {
    assert.ok(["succeeded", "failed"].includes(status), status);
    assert.equal(credits_charged > 0, !is_refunded);
    if (status === "failed") assert.ok(is_refunded);
  }
  const charged = (ofEvent: boolean) =>
    rows.filter((row) => (row.event_id !== null) === ofEvent)
      .reduce((sum, { credits_charged }) => sum + credits_charged, 0);
  assert.equal(await creditsUsed(event.id), charged(true));
  assert.equal(await creditsOf(person.id), before - charged(false));
});

test("sweeps of several processes and late failures refund each overdue photo once", async () => {
  const events = await Promise.all([1, 2, 3].map(() => createEvent({ credits: 20 })));
  const people = await Promise.all([1, 2].map(() => createPerson()));
  const balances = await Promise.all(people.map(({ id }) => creditsOf(id)));
  const photos: Awaited<ReturnType<typeof beginPhotos>> = [];
  for (let round = 0; round < 3; round++) {
    for (const { id } of events) photos.push(...await beginPhotos({ event_id: id }, 5));
    for (const { id } of people) photos.push(...await beginPhotos({ user_id: id }, 1));
  }
  const ids = photos.map(({ id }) => id);
  await sql`update generations set created_at = now() - interval '16 minutes' where id = any (${ids})`;
  const answers = await withProcesses(6, async (db) => {
    const failures = photos.map(({ attempt }) =>
      db`select fail_attempt(${attempt}, 'GENERATION_FAILED', 'race', false)`
    );
    const sweeps = Array.from({ length: 4 }, () => sweep());
    await Promise.all(failures);
    return await Promise.all(sweeps);
  });
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200]);
  const [row] = await sql`
    select count(*)::integer as failed from generations
    where id = any (${ids}) and status = 'failed' and refunded_at is not null`;
  assert.equal(row!.failed, photos.length);
  for (const { id } of events) assert.equal(await creditsUsed(id), 0);
  assert.deepEqual(await Promise.all(people.map(({ id }) => creditsOf(id))), balances);
});

test("a guest who taps thirty times at once gets ten photos, an event its limit of the hour", async () => {
  const user_photo = toDataUrl(await makePhoto(64, 64));
  const outcomes = async (slug: string, guest: () => string) => {
    const answers = await Promise.all(Array.from({ length: 30 }, async () => {
      const request = await guestRequest(slug, { user_photo, guest_id: guest() });
      const { status, body } = await callFunction("cabina-vision", request);
      return status === 202 ? "taken" : body.error;
    }));
    return Object.fromEntries(
      Object.entries(Object.groupBy(answers, (answer) => answer)).map(([key, all]) => [
        key,
        all!.length,
      ]),
    );
  };
  const one = await createEvent({ credits: 40 });
  assert.deepEqual(await outcomes(one.slug, () => "guest_who_taps"), {
    taken: 10,
    GUEST_LIMIT_REACHED: 20,
  });
  assert.equal(await creditsUsed(one.id), 10);

  const config = { limits: { per_hour: 12 } };
  const limited = await createEvent({ credits: 40, columns: { config } });
  assert.deepEqual(await outcomes(limited.slug, () => crypto.randomUUID()), {
    taken: 12,
    RATE_LIMITED: 18,
  });
  assert.equal(await creditsUsed(limited.id), 12);
});
