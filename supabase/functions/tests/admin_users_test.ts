// People's accounts, as a master finds and corrects them.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createPerson, creditsOf } from "./fixtures.ts";
import { auditOf, callAdmin, createPartner, refusalOf } from "./staff.ts";
import { service, sql, test } from "./stack.ts";

test("only a master sees and changes accounts", async () => {
  const person = await createPerson();
  const calls: [string, string, unknown?][] = [
    ["GET", "users"],
    ["POST", `users/${person.id}/credits`, { amount: 1000, reason: "Please" }],
    ["PATCH", `users/${person.id}/role`, { role: "master" }],
  ];
  for (const [method, path, body] of calls) {
    for (const actor of [person, await createPartner(), await createPerson({ role: "client" })]) {
      const answer = await callAdmin(actor, method, path, body);
      assert.deepEqual(refusalOf(answer).slice(0, 2), [403, "FORBIDDEN"], path);
    }
    assert.equal((await callAdmin(null, method, path, body)).status, 401);
  }
  assert.equal(await creditsOf(person.id), 500);
});

test("an account is found by a part of its address or name, wildcards taken literally", async () => {
  const person = await createPerson();
  await sql`update public.profiles set full_name = 'Zoë 100%_Uno' where id = ${person.id}`;
  await withMaster(async ({ token }) => {
    const find = async (q: string) => {
      const { body } = await callAdmin(
        { token: token! },
        "GET",
        `users?q=${encodeURIComponent(q)}&limit=200`,
      );
      return body.users.some((user: { id: string }) => user.id === person.id);
    };
    assert.ok(await find(person.email.slice(3, 20).toUpperCase()));
    assert.ok(await find("zoë 100%_"));
    assert.ok(!await find("zoë 100%_d"));
    assert.ok(!await find("zo_ 100"));
    const masters = await callAdmin({ token: token! }, "GET", `users?role=master&q=${person.id}`);
    assert.deepEqual(masters.body.users, []);
    for (
      const [query, field] of [["role=boss", "role"], ["q=%00", "q"], ["cursor=WyIA", "cursor"]]
    ) {
      const refused = await callAdmin({ token: token! }, "GET", `users?${query}`);
      assert.deepEqual(refusalOf(refused), [400, "INVALID_INPUT", field]);
    }
  });
});

test("accounts are paged without gaps", async () => {
  const mark = crypto.randomUUID();
  await sql`
    insert into auth.users (id, email)
    select gen_random_uuid(), n || ${mark} || '@example.test' from generate_series(1, 9) as n`;
  // Four of one moment, so that pages end among them.
  await sql`
    update public.profiles set created_at = timestamptz '2026-01-01' + left(email, 1)::int / 4 * interval '1 second'
    where email like ${`%${mark}%`}`;
  await withMaster(async ({ token }) => {
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query = `q=${mark}&role=user&limit=2${cursor && `&cursor=${cursor}`}`;
      const { body } = await callAdmin({ token: token! }, "GET", `users?${query}`);
      seen.push(...body.users.map((user: { email: string }) => user.email));
      cursor = body.next_cursor;
    }
    assert.equal(seen.length, 9);
    assert.equal(new Set(seen).size, 9);
    const foreign = await callAdmin({ token: token! }, "GET", "users?cursor=MQ");
    assert.deepEqual(refusalOf(foreign), [400, "INVALID_INPUT", "cursor"]);
  });
});

test("credits of an account are corrected once for each key, never below zero", async () => {
  const person = await createPerson();
  await withMaster(async ({ id: masterId, token }) => {
    const move = (body: Record<string, unknown>) =>
      callAdmin({ token: token! }, "POST", `users/${person.id}/credits`, body);
    const gift = { amount: 250, reason: "A photo was lost", idempotency_key: crypto.randomUUID() };
    const [first, second] = await Promise.all([move(gift), move(gift)]);
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(first.body.movement.id, second.body.movement.id);
    assert.equal((await move(gift)).body.user.credits, 750);
    const conflict = await move({ ...gift, amount: 251 });
    assert.deepEqual(refusalOf(conflict).slice(0, 2), [409, "IDEMPOTENCY_CONFLICT"]);

    const atOnce = await Promise.all([1, 2].map(() => move({ amount: -500, reason: "Fraud" })));
    assert.deepEqual(atOnce.map(({ status }) => status).sort(), [200, 402]);
    assert.equal(await creditsOf(person.id), 250);
    assert.deepEqual(refusalOf(await move({ amount: 0, reason: "x" })), [
      400,
      "INVALID_INPUT",
      "amount",
    ]);
    const actions = await auditOf(person.id);
    assert.deepEqual(actions.map(({ action, actor_id }) => [action, actor_id]), [
      ["move_credits", masterId],
      ["move_credits", masterId],
    ]);
    const unknown = await callAdmin(
      { token: token! },
      "POST",
      `users/${crypto.randomUUID()}/credits`,
      { amount: 1, reason: "Nobody" },
    );
    assert.deepEqual(refusalOf(unknown).slice(0, 2), [404, "NOT_FOUND"]);
  });
});

test("a role is changed, and what came with it goes", async () => {
  const partner = await createPartner();
  await withMaster(async ({ token }) => {
    const path = `users/${partner.id}/role`;
    const { status, body } = await callAdmin({ token: token! }, "PATCH", path, { role: "user" });
    assert.deepEqual([status, body.user.role], [200, "user"]);
    assert.equal((await callAdmin(partner, "GET", "events")).status, 403);
    const refused = await callAdmin({ token: token! }, "PATCH", path, { role: "boss" });
    assert.deepEqual(refusalOf(refused), [400, "INVALID_INPUT", "role"]);
  });
});

test("a project with a master gets no other first one", async () => {
  const person = await createPerson();
  await withMaster(async ({ id }) => {
    const { error } = await service.rpc("make_first_master", { p_email: person.email });
    assert.equal(JSON.parse(error!.details).code, "CONFLICT");
    const [master] = await sql`select email from public.profiles where id = ${id!}`;
    const again = await service.rpc("make_first_master", { p_email: master!.email });
    assert.deepEqual([again.error, again.data], [null, id]);
  });
});
