// Credits between a partner and its events, over HTTP and at once: none is lost, minted or moved twice.
import assert from "node:assert/strict";
import { guestRequest } from "./photos.ts";
import { auditOf, callAdmin, createPartner, makeEvent, type Partner, refusalOf } from "./staff.ts";
import { callFunction, eventually, sql, test } from "./stack.ts";

/** A partner with credits, and an event that holds some of them. */
async function createHolder(total: number, held = 0) {
  const partner = await createPartner({ credits: total });
  const event = await addEvent(partner, held);
  return { partner, event };
}

async function addEvent(partner: Partner, held = 0) {
  const event = await makeEvent(partner);
  if (held > 0) await allocate(partner, event.id, held);
  return event as { id: string; event_slug: string };
}

function allocate(partner: Partner, eventId: string, amount: number, idempotency_key?: string) {
  return callAdmin(partner, "POST", `events/${eventId}/credits`, { amount, idempotency_key });
}

async function walletOf(partner: Partner) {
  return (await callAdmin(partner, "GET", "wallet")).body.wallet;
}

async function leftOf(partner: Partner, eventId: string) {
  return (await callAdmin(partner, "GET", `events/${eventId}`)).body.event.credits_left;
}

test("credits go to an event, to another one, and back when it is closed", async () => {
  const { partner, event } = await createHolder(10);
  const given = await allocate(partner, event.id, 6);
  assert.deepEqual([given.status, given.body.event.credits_left, given.body.movement.amount], [
    200,
    6,
    6,
  ]);
  const other = await addEvent(partner);
  const moved = await callAdmin(partner, "POST", `events/${event.id}/transfer`, {
    to_event_id: other.id,
    amount: 2,
  });
  assert.deepEqual(
    [moved.body.event.credits_left, moved.body.to_event.credits_left, moved.body.movement.kind],
    [4, 2, "transfer"],
  );
  await callFunction("cabina-vision", await guestRequest(event.event_slug));
  const closed = await callAdmin(partner, "POST", `events/${event.id}/close`);
  assert.deepEqual([closed.body.returned_credits, closed.body.event.credits_left], [3, 0]);
  assert.equal(closed.body.event.phase, "ended");
  assert.deepEqual(await walletOf(partner), {
    partner_id: partner.partnerId,
    credits_total: 10,
    credits_used: 3,
    credits_left: 7,
    credits_consumed: 1,
    debt: 0,
  });
  assert.deepEqual((await auditOf(event.id)).map(({ action, after }) => [action, after?.amount]), [
    ["create", undefined],
    ["allocate_credits", 6],
    ["transfer_credits", 2],
    ["close", undefined],
  ]);

  assert.deepEqual(refusalOf(await allocate(partner, event.id, 1)), [
    403,
    "EVENT_ENDED",
    undefined,
  ]);
  const late = await callAdmin(partner, "POST", `events/${other.id}/transfer`, {
    to_event_id: event.id,
    amount: 1,
  });
  assert.deepEqual(refusalOf(late), [403, "EVENT_ENDED", undefined]);
});

test("what cannot be moved is refused with the field named", async () => {
  const { partner, event } = await createHolder(5, 2);
  const other = await addEvent(partner);
  const rival = await createHolder(5);
  const cases: [string, Record<string, unknown>, number, string, string | undefined][] = [
    ["credits", { amount: 0 }, 400, "INVALID_INPUT", "amount"],
    ["credits", { amount: -1 }, 400, "INVALID_INPUT", "amount"],
    ["credits", { amount: 1.5 }, 400, "INVALID_INPUT", "amount"],
    ["credits", { amount: 50_000_000 }, 400, "INVALID_INPUT", "amount"],
    ["credits", {}, 400, "INVALID_INPUT", "amount"],
    ["credits", { amount: 1, idempotency_key: "short" }, 400, "INVALID_INPUT", "idempotency_key"],
    ["credits", { amount: 1, reason: "free" }, 400, "INVALID_INPUT", "reason"],
    ["credits", { amount: 4 }, 402, "INSUFFICIENT_CREDITS", undefined],
    ["transfer", { amount: 1 }, 400, "INVALID_INPUT", "to_event_id"],
    ["transfer", { amount: 1, to_event_id: event.id }, 400, "INVALID_INPUT", "to_event_id"],
    ["transfer", { amount: 3, to_event_id: other.id }, 402, "INSUFFICIENT_CREDITS", undefined],
    ["transfer", { amount: 1, to_event_id: rival.event.id }, 404, "EVENT_NOT_FOUND", undefined],
  ];
  for (const [path, body, status, code, field] of cases) {
    const answer = await callAdmin(partner, "POST", `events/${event.id}/${path}`, body);
    assert.deepEqual(refusalOf(answer), [status, code, field], `${path} ${JSON.stringify(body)}`);
  }
  assert.deepEqual([await leftOf(partner, event.id), (await walletOf(partner)).credits_left], [
    2,
    3,
  ]);
});

test("a request that comes again, also at once, moves its credits once", async () => {
  const { partner, event } = await createHolder(10);
  const other = await addEvent(partner);
  const key = crypto.randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => allocate(partner, event.id, 4, key)),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(new Set(answers.map(({ body }) => body.movement.id)).size, 1);
  const conflict = await allocate(partner, event.id, 5, key);
  assert.deepEqual(refusalOf(conflict), [409, "IDEMPOTENCY_CONFLICT", undefined]);

  const transfer = (amount: number) =>
    callAdmin(partner, "POST", `events/${event.id}/transfer`, {
      to_event_id: other.id,
      amount,
      idempotency_key: key,
    });
  const moved = await Promise.all([transfer(1), transfer(1), transfer(1)]);
  assert.equal(new Set(moved.map(({ body }) => body.movement.id)).size, 1);
  assert.deepEqual(refusalOf(await transfer(2)), [409, "IDEMPOTENCY_CONFLICT", undefined]);

  assert.deepEqual([await leftOf(partner, event.id), await leftOf(partner, other.id)], [3, 1]);
  const actions = (await auditOf(event.id)).map(({ action }) => action);
  assert.deepEqual(actions, ["create", "allocate_credits", "transfer_credits"], "noted once each");

  await callAdmin(partner, "POST", `events/${event.id}/close`);
  const again = await allocate(partner, event.id, 4, key);
  assert.equal(again.body.movement.id, answers[0]!.body.movement.id, "whatever happened since");
});

test("requests at once never give away more than there is", async () => {
  const { partner, event } = await createHolder(10);
  const other = await addEvent(partner);
  const answers = await Promise.all(
    [event, other, event, other, event].map(({ id }) => allocate(partner, id, 4)),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 402, 402, 402]);
  assert.equal((await walletOf(partner)).credits_left, 2);
});

test("two who close an event at once both learn what came back, and it came back once", async () => {
  const { partner, event } = await createHolder(10, 7);
  const close = () => callAdmin(partner, "POST", `events/${event.id}/close`);
  const answers = await Promise.all([close(), close(), close()]);
  assert.deepEqual(answers.map(({ status, body }) => [status, body.returned_credits]), [
    [200, 7],
    [200, 7],
    [200, 7],
  ]);
  assert.equal(new Set(answers.map(({ body }) => body.event.closed_at)).size, 1);
  assert.deepEqual((await close()).body.returned_credits, 7);
  assert.equal((await walletOf(partner)).credits_left, 10);
  const closings = (await auditOf(event.id)).filter(({ action }) => action === "close");
  assert.equal(closings.length, 1);
});

test("closing while credits are moved in and out loses none, and nothing waits for ever", async () => {
  for (let round = 0; round < 5; round++) {
    const { partner, event } = await createHolder(20, 5);
    const other = await addEvent(partner, 5);
    const transfer = (from: string, to: string) =>
      callAdmin(partner, "POST", `events/${from}/transfer`, { to_event_id: to, amount: 2 });
    const answers = await Promise.all([
      transfer(event.id, other.id),
      transfer(other.id, event.id),
      allocate(partner, event.id, 3),
      callAdmin(partner, "POST", `events/${event.id}/close`),
      callAdmin(partner, "PATCH", `events/${event.id}`, { client_name: "Ana" }),
      callAdmin(partner, "PATCH", `events/${other.id}`, { client_id: null }),
    ]);
    for (const { status, body } of answers) {
      assert.ok([200, 402, 403].includes(status), `${status} ${JSON.stringify(body)}`);
    }
    assert.equal(answers[3]!.status, 200);
    const { credits_left } = await walletOf(partner);
    assert.equal(await leftOf(partner, event.id), 0, "a closed event holds nothing");
    assert.equal(credits_left + await leftOf(partner, other.id), 20);
  }
});

test("a closed event keeps what it was; its names, looks and gallery may still change", async () => {
  const { partner, event } = await createHolder(1);
  await callAdmin(partner, "POST", `events/${event.id}/close`);
  const change = (body: unknown) => callAdmin(partner, "PATCH", `events/${event.id}`, body);
  const config = { gallery: "open", moderation: "before", welcome_text: "Gracias" };
  const { body } = await change({ event_name: "Gracias", client_name: "Ana", config });
  assert.deepEqual([body.event.event_name, body.event.config], ["Gracias", config]);

  const refused: [Record<string, unknown>, string][] = [
    [{ start_date: "2030-01-01" }, "start_date"],
    [{ end_date: null }, "end_date"],
    [{ is_active: false }, "is_active"],
    [{ selected_styles: [] }, "selected_styles"],
    [{ client_id: null }, "client_id"],
    [{ event_slug: "another-slug" }, "event_slug"],
    [{ config: { timezone: "UTC" } }, "config.timezone"],
    [{ config: { access: "key" } }, "config.access"],
    [{ config: { limits: null } }, "config.limits"],
  ];
  for (const [fields, field] of refused) {
    assert.deepEqual(refusalOf(await change(fields)), [403, "EVENT_ENDED", field]);
  }
});

test("a partner in debt gives nothing away, and reads what it owes", async () => {
  // Whoever owes holds nothing: all it had is in the event.
  const { partner, event } = await createHolder(3, 3);
  await sql`
    select private.post_movement('purchase_reversal', 'partner_debt', ${partner.partnerId},
      'issued', null, 1, ${crypto.randomUUID()})`;
  assert.equal((await walletOf(partner)).debt, 1);
  const other = await addEvent(partner);
  const moved = await callAdmin(partner, "POST", `events/${event.id}/transfer`, {
    to_event_id: other.id,
    amount: 1,
  });
  const given = await allocate(partner, other.id, 1);
  for (const answer of [moved, given]) {
    assert.deepEqual(refusalOf(answer), [402, "INSUFFICIENT_CREDITS", undefined]);
  }
});

test("a change of a closed event waits for it without holding its partner", async () => {
  const { partner, event } = await createHolder(1);
  await callAdmin(partner, "POST", `events/${event.id}/close`);
  // As a late refund does: first the closed event, then the partner. The other way round is a deadlock.
  const change = await sql.begin(async (tx) => {
    const [{ pid }] = await tx<[{ pid: number }]>`select pg_backend_pid() as pid`;
    await tx`select from public.events where id = ${event.id} for no key update`;
    const answer = callAdmin(partner, "PATCH", `events/${event.id}`, { event_name: "Gracias" });
    await eventually("the change waits", async () => {
      const waiting = await sql`
        select from pg_stat_activity where ${pid} = any (pg_blocking_pids(pg_stat_activity.pid))`;
      return waiting.length > 0;
    });
    await tx`select from public.partners where id = ${partner.partnerId} for no key update nowait`;
    return { answer };
  });
  assert.equal((await change.answer).status, 200);
});
