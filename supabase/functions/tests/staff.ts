import assert from "node:assert/strict";
import { createPerson, mintToken } from "./fixtures.ts";
import { type Answer, callFunction, sql } from "./stack.ts";

/** Calls event-admin in the name of a person; `null` for a visitor. */
export function callAdmin(
  person: { token: string } | null,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return callFunction(`event-admin/${path}`, body, {
    method,
    headers,
    ...(person !== null && { token: person.token }),
  });
}

/** A partner with an owner, and credits if wanted. */
export async function createPartner({ credits = 0 } = {}) {
  const owner = await createPerson({ role: "partner" });
  const [partner] = await sql`
    insert into public.partners (name, user_id) values ('Staff test', ${owner.id}) returning id`;
  if (credits > 0) {
    await sql`select private.grant_credits('partner', ${partner!.id}, ${credits}, 'test')`;
  }
  return { ...owner, partnerId: partner!.id as string };
}

/** A partner as createPartner() makes it. */
export type Partner = Awaited<ReturnType<typeof createPartner>>;

/** An event made over HTTP. */
export async function makeEvent(partner: Partner, body: Record<string, unknown> = {}) {
  const answer = await callAdmin(partner, "POST", "events", { event_name: "Fiesta", ...body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.event;
}

/** A client made over HTTP. */
export async function makeClient(partner: Partner, body: Record<string, unknown> = {}) {
  const answer = await callAdmin(partner, "POST", "clients", { name: "Ana", ...body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.client;
}

/** Somebody with the e-mail address, confirmed or not. */
export async function createPersonAt(email: string, isConfirmed = true) {
  const id = crypto.randomUUID();
  await sql`
    insert into auth.users (id, email, email_confirmed_at)
    values (${id}, ${email}, ${isConfirmed ? new Date() : null})`;
  return { id, email, token: await mintToken(id, email) };
}

/** What staff did to something, the oldest first. */
export function auditOf(targetId: string) {
  return sql`
    select actor_id, action, target, before, after, request_id
    from private.audit_log where target_id = ${targetId} order by id`;
}

/** Status, code and first field of a refusal. */
export function refusalOf({ status, body }: Answer) {
  return [status, body.error, body.details?.[0]?.field];
}
