// Ten thousand guesses: nobody gets in, and the party does not notice.
import assert from "node:assert/strict";
import { createPerson, finished } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { callHost, createHostedEvent, enter, newAddress, PIN } from "./host.ts";
import { callFunction, sql, test } from "./stack.ts";

const GUESSES = 10_000;
const AT_ONCE = 24;
/** Each bot guesses as often as one address may before it is locked. */
const GUESSES_PER_ADDRESS = 5;

/** Guesses from many addresses; how often each answer came. */
async function storm(slug: string, onProgress: (done: number) => Promise<void>) {
  const outcomes: Record<string, number> = {};
  let next = 0;
  const bot = async () => {
    let address = newAddress();
    while (next < GUESSES) {
      const guess = next++;
      if (guess % GUESSES_PER_ADDRESS === 0) address = newAddress();
      // Every number but the right one; also what a real guesser would try first.
      const pin = String(guess + (guess + 100_000 >= Number(PIN) ? 100_001 : 100_000));
      const { status, body } = await enter(slug, pin, address);
      const outcome = `${status} ${body.error ?? "in"}`;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (guess % 2500 === 1250) await onProgress(guess);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, bot));
  return outcomes;
}

test("ten thousand guesses open nothing, and the party goes on", async () => {
  const event = await createHostedEvent({ credits: 10 });
  const client = await createPerson({ role: "client" });
  const [row] = await sql`
    insert into public.clients (partner_id, name, user_id)
    values (${event.partnerId}, 'Storm', ${client.id}) returning id`;
  await sql`update public.events set client_id = ${row!.id} where id = ${event.id}`;
  let rounds = 0;

  const outcomes = await storm(event.slug, async (done) => {
    rounds++;
    const photo = await callFunction("cabina-vision", await guestRequest(event.slug));
    assert.equal(photo.status, 202, `a photo after ${done} guesses: ${JSON.stringify(photo.body)}`);
    assert.equal((await finished(photo.body.generation_id)).state, "success");
    assert.equal((await callHost(event.host, "GET", "photos")).status, 200, "the open session");
    assert.equal((await callHost(client, "GET", "event")).status, 200, "the client's account");
  });
  assert.equal(rounds, 4);
  console.log(`      ${JSON.stringify(outcomes)}`);
  assert.deepEqual(Object.keys(outcomes).sort(), ["401 UNAUTHENTICATED", "429 PIN_LOCKED"]);
  assert.ok(outcomes["401 UNAUTHENTICATED"]! <= 50, "fifty guesses an hour are looked at");
  const [sessions] = await sql`
    select count(*)::int from private.pin_sessions where event_id = ${event.id}`;
  assert.equal(sessions!.count, 1);

  const locked = await enter(event.slug, PIN);
  assert.equal(locked.body.error, "PIN_LOCKED");
  const seconds = Number(locked.headers.get("retry-after"));
  assert.ok(seconds > 0 && seconds <= 900, `locked for ${seconds} s`);
  // That time is over.
  await sql`
    update private.rate_limits set locked_until = now() where name like ${`%${event.id}%`}`;
  assert.equal((await enter(event.slug, PIN)).status, 200);
});
