import assert from "node:assert/strict";
import { createEvent, createPerson } from "./fixtures.ts";
import { anonymousClient, service, sql, test } from "./stack.ts";

const PIN = "482913";

/** An event with a PIN. */
async function createPinEvent() {
  const event = await createEvent({ credits: 0 });
  const master = await createPerson({ role: "master" });
  const { error } = await service.rpc("set_event_pin", {
    p_actor_id: master.id,
    p_event_id: event.id,
    p_pin: PIN,
  });
  assert.equal(error, null);
  await sql`update profiles set role = 'user' where id = ${master.id}`;
  return event;
}

let lastAddress = 0;

/** An address that no other test has used. */
function newAddress(): string {
  lastAddress++;
  return `2001:db8:${(Date.now() % 65536).toString(16)}:${lastAddress.toString(16)}::1`;
}

/** Enters a PIN; what came of it in a word. */
async function enter(slug: string, pin: string, address: string): Promise<string> {
  const { data, error } = await service.rpc("open_pin_session", {
    p_event_slug: slug,
    p_pin: pin,
    p_client_address: address,
  });
  if (error !== null) return JSON.parse(error.details).code;
  return data[0].error ?? "in";
}

function tally(outcomes: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

test("T14 forty guesses at once from one address are five guesses", async () => {
  const { slug } = await createPinEvent();
  const address = newAddress();
  const guesses = Array.from({ length: 40 }, (_, i) => enter(slug, String(100000 + i), address));
  assert.deepEqual(tally(await Promise.all(guesses)), { UNAUTHENTICATED: 5, PIN_LOCKED: 35 });
  assert.equal(await enter(slug, PIN, address), "PIN_LOCKED");
  assert.equal(await enter(slug, PIN, newAddress()), "in");
});

test("T14 a hundred guesses at once from as many addresses are fifty guesses", async () => {
  const { slug, id } = await createPinEvent();
  assert.equal(await enter(slug, PIN, newAddress()), "in");
  const guesses = Array.from({ length: 100 }, (_, i) => enter(slug, `9${10000 + i}`, newAddress()));
  assert.deepEqual(tally(await Promise.all(guesses)), { UNAUTHENTICATED: 50, PIN_LOCKED: 50 });
  assert.equal(await enter(slug, PIN, newAddress()), "PIN_LOCKED");

  const [sessions] = await sql`
    select count(*)::int from private.pin_sessions
    where event_id = ${id} and revoked_at is null and expires_at > now()`;
  assert.equal(sessions!.count, 1, "the open session goes on");
});

test("T14 a right PIN between wrong ones does not start the count again", async () => {
  const own = await createPinEvent();
  const victim = await createPinEvent();
  const address = newAddress();
  const outcomes: string[] = [];
  for (let round = 0; round < 3; round++) {
    outcomes.push(await enter(own.slug, PIN, address));
    outcomes.push(await enter(victim.slug, `00000${round}`, address));
    outcomes.push(await enter(victim.slug, `11111${round}`, address));
  }
  assert.deepEqual(tally(outcomes), { in: 3, UNAUTHENTICATED: 5, PIN_LOCKED: 1 });
});

test("T14 nobody but the service asks for a PIN, sets one or looks up a session", async () => {
  const { slug, id } = await createPinEvent();
  const person = await createPerson();
  const signedIn = anonymousClient();
  const calls = {
    open_pin_session: { p_event_slug: slug, p_pin: PIN },
    find_pin_session: { p_token: "00" },
    close_pin_session: { p_token: "00" },
    set_event_pin: { p_actor_id: person.id, p_event_id: id, p_pin: "111111" },
  };
  for (const [name, args] of Object.entries(calls)) {
    for (const token of [undefined, person.token]) {
      const request = signedIn.rpc(name, args);
      const { error } =
        await (token ? request.setHeader("authorization", `Bearer ${token}`) : request);
      assert.equal(error?.code, "42501", `${name} as ${token ? "a person" : "anon"}`);
    }
  }
});

test("T15 two people who accept one invitation at once: it is for whose address it is", async () => {
  const { partnerId } = await createEvent({ credits: 0 });
  const [invited, thief] = await Promise.all([createPerson(), createPerson()]);
  const [client] = await sql`
    insert into clients (partner_id, name) values (${partnerId}, 'Test') returning id`;
  const master = await createPerson({ role: "master" });
  const { data: [invitation] } = await service.rpc("create_invitation", {
    p_actor_id: master.id,
    p_partner_id: partnerId,
    p_client_id: client!.id,
    p_email: invited.email.toUpperCase(),
  }).throwOnError();

  const accept = async (actor: string) => {
    const { error } = await service.rpc("accept_invitation", {
      p_actor_id: actor,
      p_token: invitation.token,
    });
    return error === null ? "accepted" : JSON.parse(error.details).code;
  };
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, i) => accept(i % 2 === 0 ? invited.id : thief.id)),
  );
  assert.deepEqual(outcomes.filter((_, i) => i % 2 === 0), Array(4).fill("accepted"));
  for (const outcome of outcomes.filter((_, i) => i % 2 === 1)) {
    assert.ok(["FORBIDDEN", "NOT_FOUND"].includes(outcome), outcome);
  }
  const [row] = await sql`select user_id from clients where id = ${client!.id}`;
  assert.equal(row!.user_id, invited.id);
  await sql`update profiles set role = 'user' where id = ${master.id}`;
});
