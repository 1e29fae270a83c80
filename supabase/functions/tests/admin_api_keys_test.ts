// The provider's keys: written by masters, read by nobody.
import assert from "node:assert/strict";
import { strangers, withMaster } from "./actors.ts";
import { auditOf, callAdmin, refusalOf } from "./staff.ts";
import { sql, test } from "./stack.ts";
import { createTenant } from "./tenants.ts";

test("only a master comes to the keys", async () => {
  const calls: [string, string, unknown?][] = [
    ["GET", "api-keys"],
    ["POST", "api-keys", { api_key: "sk-not-mine-1234" }],
    ["PATCH", `api-keys/${crypto.randomUUID()}`, { is_active: false }],
  ];
  const people = strangers(await createTenant());
  for (const [method, path, body] of calls) {
    for (const { name, token } of people) {
      const answer = await callAdmin(token === null ? null : { token }, method, path, body);
      const expected = token === null ? [401, "UNAUTHENTICATED"] : [403, "FORBIDDEN"];
      assert.deepEqual(refusalOf(answer).slice(0, 2), expected, `${name}: ${method} ${path}`);
    }
  }
});

test("a key is added once, shown masked, and taken out of rotation and back", async () => {
  const key = `sk-secret-${crypto.randomUUID()}`;
  await withMaster(async ({ token }) => {
    const master = { token: token! };
    const add = () => callAdmin(master, "POST", "api-keys", { api_key: key, is_active: false });
    const both = await Promise.all([add(), add()]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409]);
    const refused = both.find(({ status }) => status === 409)!;
    assert.deepEqual(refusalOf(refused), [409, "CONFLICT", "api_key"]);
    const { api_key } = both.find(({ status }) => status === 201)!.body;
    assert.deepEqual([api_key.masked, api_key.health], [`…${key.slice(-4)}`, "inactive"]);

    const path = `api-keys/${api_key.id}`;
    try {
      await sql`
        update public.api_key_pool set failure_count = 4, cooldown_until = now() + interval '1 hour'
        where id = ${api_key.id}`;
      const active = await callAdmin(master, "PATCH", path, {
        is_active: true,
        account_name: "Uno",
      });
      const { health, failure_count, account_name } = active.body.api_key;
      assert.deepEqual([health, failure_count, account_name], ["ready", 0, "Uno"]);
      await sql`
        update public.api_key_pool set failure_count = 4, cooldown_until = now() + interval '1 hour'
        where id = ${api_key.id}`;
      const rested = await callAdmin(master, "PATCH", path, { reset_health: true });
      const { cooldown_until, running_tasks } = rested.body.api_key;
      assert.deepEqual([rested.body.api_key.failure_count, cooldown_until, running_tasks], [
        0,
        null,
        0,
      ]);
      for (
        const [bad, field] of [
          [{ is_active: "no" }, "is_active"],
          [{ account_name: "" }, "account_name"],
          [{ reset_health: false }, "reset_health"],
          [{ api_key: "sk-another-1234" }, "api_key"],
        ] as const
      ) {
        const refused = await callAdmin(master, "PATCH", path, bad);
        assert.deepEqual(refusalOf(refused), [400, "INVALID_INPUT", field]);
        assert.ok(!JSON.stringify(refused.body).includes("sk-another"));
      }
      const listed = await callAdmin(master, "GET", "api-keys");
      assert.ok(listed.body.api_keys.some((row: { id: string }) => row.id === api_key.id));
      const everything = JSON.stringify([
        both,
        active.body,
        rested.body,
        listed.body,
        await auditOf(api_key.id),
      ]);
      assert.ok(!everything.includes(key.slice(0, -4)));
    } finally {
      await callAdmin(master, "PATCH", path, { is_active: false });
    }
    assert.deepEqual((await auditOf(api_key.id)).map(({ action }) => action), [
      "create",
      "update",
      "update",
      "update",
    ]);
    for (
      const [body, field] of [
        [{ api_key: "short" }, "api_key"],
        [{ api_key: "with blanks inside" }, "api_key"],
        [{}, "api_key"],
      ] as const
    ) {
      const answer = await callAdmin(master, "POST", "api-keys", body);
      assert.deepEqual(refusalOf(answer), [400, "INVALID_INPUT", field]);
      assert.ok(!JSON.stringify(answer.body).includes("blanks inside"));
    }
    const unknown = await callAdmin(master, "PATCH", `api-keys/${crypto.randomUUID()}`, {});
    assert.deepEqual(refusalOf(unknown).slice(0, 2), [404, "NOT_FOUND"]);
  });
});

test("a key that the provider refused is shown as such, and a master brings it back or keeps it out", async () => {
  const [{ id }] = await sql`
    insert into public.api_key_pool (api_key, is_active) values (${crypto.randomUUID()}, false) returning id` as [
    { id: string },
  ];
  try {
    await withMaster(async ({ token }) => {
      const master = { token: token! };
      for (
        const [change, health] of [[{ reset_health: true }, "ready"], [
          { is_active: false },
          "inactive",
        ]] as const
      ) {
        await sql`
          update public.api_key_pool set is_active = false, suspended_at = now() where id = ${id}`;
        const { body } = await callAdmin(master, "GET", "api-keys");
        const shown = body.api_keys.find((key: { id: string }) => key.id === id);
        assert.deepEqual([shown.health, shown.suspended_at !== null], ["suspended", true]);
        const { api_key } = (await callAdmin(master, "PATCH", `api-keys/${id}`, change)).body;
        assert.deepEqual([api_key.health, api_key.suspended_at], [health, null]);
      }
    });
  } finally {
    await sql`delete from public.api_key_pool where id = ${id}`;
  }
});
