// Who is invited to host a client or to own a partner, and who accepts.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createPerson } from "./fixtures.ts";
import {
  auditOf,
  callAdmin,
  createPartner,
  createPersonAt,
  makeClient,
  refusalOf,
} from "./staff.ts";
import { sql, stack, test } from "./stack.ts";

const freshEmail = () => `${crypto.randomUUID()}@host.example`;

/** The token in an invitation's address. */
function tokenOf(answer: { status: number; body: { invitation: { url: string } } }) {
  assert.equal(answer.status, 201);
  const url = new URL(answer.body.invitation.url);
  assert.equal(url.origin, new URL(stack.api_url).origin, "the front end of the local stack");
  return url.searchParams.get("invitation")!;
}

const accept = (person: { token: string } | null, token: string) =>
  callAdmin(person, "POST", "invitations/accept", { token });

test("a client is invited, and whoever owns the address becomes its host", async () => {
  const partner = await createPartner();
  const email = freshEmail();
  const client = await makeClient(partner, { email: email.toUpperCase() });
  const invite = (body: unknown = {}) =>
    callAdmin(partner, "POST", `clients/${client.id}/invitation`, body);
  const old = tokenOf(await invite());
  const answer = await invite();
  assert.equal(answer.body.invitation.email, email, "the client's own, normalised");
  const token = tokenOf(answer);

  const [invited, stranger] = await Promise.all([createPersonAt(email), createPerson()]);
  assert.deepEqual(refusalOf(await accept(null, token)), [401, "UNAUTHENTICATED", undefined]);
  assert.deepEqual(refusalOf(await accept(stranger, token)), [403, "FORBIDDEN", undefined]);
  assert.deepEqual(refusalOf(await accept(invited, old)), [404, "NOT_FOUND", undefined]);
  assert.deepEqual(refusalOf(await accept(invited, "x")), [400, "INVALID_INPUT", "token"]);
  const expected = {
    success: true,
    role: "client",
    partner_id: partner.partnerId,
    client_id: client.id,
  };
  const answers = await Promise.all([accept(invited, token), accept(invited, token)]);
  assert.deepEqual(answers.map(({ body }) => body), [expected, expected]);
  assert.deepEqual(refusalOf(await accept(stranger, token)), [404, "NOT_FOUND", undefined]);
  const read = await callAdmin(partner, "GET", `clients/${client.id}`);
  assert.equal(read.body.client.user_id, invited.id);

  const elsewhere = freshEmail();
  const second = await createPersonAt(elsewhere);
  const taken = await accept(second, tokenOf(await invite({ email: elsewhere })));
  assert.deepEqual(refusalOf(taken), [409, "CONFLICT", undefined]);

  const log = JSON.stringify(await auditOf(client.id));
  assert.ok(!log.includes(token) && !log.includes(email), "the log holds no token and no address");
});

test("an address that is not confirmed proves nothing", async () => {
  const partner = await createPartner();
  const { id } = await makeClient(partner);
  const email = freshEmail();
  const unconfirmed = await createPersonAt(email, false);
  const token = tokenOf(await callAdmin(partner, "POST", `clients/${id}/invitation`, { email }));
  assert.deepEqual(refusalOf(await accept(unconfirmed, token)), [403, "FORBIDDEN", undefined]);
});

test("an invitation needs an address", async () => {
  const partner = await createPartner();
  const { id } = await makeClient(partner);
  const invite = async (body: unknown) =>
    refusalOf(await callAdmin(partner, "POST", `clients/${id}/invitation`, body));
  assert.deepEqual(await invite({}), [400, "INVALID_INPUT", "email"]);
  assert.deepEqual(await invite({ email: "nobody" }), [400, "INVALID_INPUT", "email"]);
});

test("a master invites the owner of a partner, and nobody else may", async () => {
  const email = freshEmail();
  const [row] = await sql`
    insert into public.partners (name, contact_email) values ('Invited', ${email}) returning id`;
  const path = `partners/${row!.id}/invitation`;
  const [rival, invited] = await Promise.all([createPartner(), createPersonAt(email)]);
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const answer = await callAdmin(master, "POST", path, {});
    assert.equal(answer.body.invitation.email, email);
    const accepted = await accept(invited, tokenOf(answer));
    assert.deepEqual([accepted.body.role, accepted.body.client_id], ["partner", null]);
    const nobody = await callAdmin(master, "POST", `partners/${crypto.randomUUID()}/invitation`, {
      email,
    });
    assert.deepEqual(refusalOf(nobody), [404, "NOT_FOUND", undefined]);
  });
  assert.equal((await callAdmin(invited, "GET", "wallet")).body.wallet.partner_id, row!.id);
  for (const person of [rival, invited]) {
    const answer = await callAdmin(person, "POST", path, { email: freshEmail() });
    assert.deepEqual(refusalOf(answer), [403, "FORBIDDEN", undefined]);
  }
});

test("an invitation that is accepted while another one is made is either taken or over", async () => {
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    for (let round = 0; round < 8; round++) {
      const email = freshEmail();
      const [row] = await sql`insert into public.partners (name) values ('Raced') returning id`;
      const invited = await createPersonAt(email);
      const invite = () => callAdmin(master, "POST", `partners/${row!.id}/invitation`, { email });
      const [first, second] = [tokenOf(await invite()), tokenOf(await invite())];
      const [accepted, over, again] = await Promise.all([
        accept(invited, second),
        accept(invited, first),
        invite(),
      ]);
      assert.ok([200, 404].includes(accepted.status), JSON.stringify(accepted.body));
      assert.deepEqual([over.status, again.status], [404, 201]);
    }
  });
});
