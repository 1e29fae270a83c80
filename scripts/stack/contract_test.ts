// What the rest of the project takes for granted of the Data API and auth, and what unpatched
// @supabase/lite 0.10.0 gets wrong: an upgrade that breaks a repair fails here.
import assert from "node:assert/strict";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { SignJWT } from "jose";
import postgres from "postgres";
import { eventually, readStack } from "./testing.ts";

const stack = await readStack();
const SCHEMA = `
  create table public.contract_rows (
    id int primary key,
    at timestamptz not null default '2026-01-01 10:00:00.5+00',
    amount numeric not null default 1.10,
    data jsonb not null default '{"a": [1]}',
    total int not null default 0 check (total >= 0)
  );
  alter table public.contract_rows enable row level security;
  revoke all on public.contract_rows from anon, authenticated, service_role;
  grant select, insert on public.contract_rows to authenticated, service_role;
  create policy contract_rows_select on public.contract_rows
    for select to authenticated using (auth.uid() is not null);
  insert into public.contract_rows (id) values (1);

  create table public.contract_signups (user_id uuid, nickname text);
  revoke all on public.contract_signups from anon, authenticated, service_role;
  create function public.contract_on_signup() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.contract_signups values (new.id, new.raw_user_meta_data ->> 'nickname');
      return new;
    end $$;
  create trigger contract_on_signup after insert on auth.users
    for each row execute function public.contract_on_signup();

  create function public.contract_type(value jsonb) returns text language sql
    as $$ select jsonb_typeof(value) $$;
  create function public.contract_echo(value jsonb) returns jsonb language sql as $$ select value $$;
  create function public.contract_big() returns bigint language sql
    as $$ select 9007199254740993 $$;
  create function public.contract_numbers() returns setof int language sql
    as $$ select generate_series(1, 3) $$;
  create function public.contract_table() returns table (n int) language sql
    as $$ select generate_series(1, 2) $$;
  create function public.contract_list() returns setof public.contract_rows language sql
    as $$ select * from public.contract_rows where id = 1 $$;
  create function public.contract_nothing() returns void language sql as $$ select $$;
  create function public.contract_fail(code text) returns int language plpgsql as $$
    begin raise exception using errcode = code, message = 'no', detail = 'd', hint = 'h'; end $$;
  create function public.contract_claims() returns jsonb language sql as $$ select auth.jwt() $$;
  grant execute on function public.contract_type, public.contract_echo, public.contract_big,
    public.contract_list, public.contract_numbers, public.contract_table, public.contract_nothing, public.contract_fail,
    public.contract_claims to anon, authenticated, service_role;
`;
const CLEANUP = `
  drop function if exists public.contract_on_signup cascade; -- with its trigger on auth.users
  drop function if exists public.contract_type, public.contract_echo, public.contract_big,
    public.contract_list, public.contract_numbers, public.contract_table, public.contract_nothing,
    public.contract_fail, public.contract_claims;
  drop table if exists public.contract_rows, public.contract_signups;
`;

const anon = client(stack.publishable_key);
const service = client(stack.secret_key);
let sql: postgres.Sql;

Deno.test.beforeAll(async () => {
  sql = postgres(stack.db_url, { max: 1, onnotice: () => {} });
  await sql.unsafe(CLEANUP + SCHEMA).simple();
  await eventually("the Data API knows the new table", async () => {
    return (await service.from("contract_rows").select("id")).error === null;
  });
});

Deno.test.afterAll(async () => {
  await sql.unsafe(CLEANUP).simple();
  await sql`delete from auth.users where email like 'contract-%@example.com'`;
  await sql.end();
});

Deno.test("rest leaves revoked privileges revoked", async () => {
  const { status, error } = await anon.from("contract_rows").select("id");
  assert.deepEqual([status, error?.code], [401, "42501"]);
  const user = client(stack.publishable_key, await userToken());
  const refused = await user.from("contract_signups").select("user_id");
  assert.deepEqual([refused.status, refused.error?.code], [403, "42501"]);
});

Deno.test("rest writes each type as to_jsonb() does", async () => {
  const { data } = await service.from("contract_rows").select("*").eq("id", 1).single();
  const [row] = await sql`select to_jsonb(r) as json from public.contract_rows as r where id = 1`;
  assert.deepEqual(data, row?.json);
  assert.equal(data.at, "2026-01-01T10:00:00.5+00:00");
});

Deno.test("rest stores an object in a jsonb column once", async () => {
  const row = { id: 2, data: { b: { c: 1 } } };
  const { error } = await service.from("contract_rows").insert(row);
  assert.equal(error, null);
  const [stored] = await sql`select data from public.contract_rows where id = 2`;
  assert.deepEqual(stored?.data, { b: { c: 1 } });
});

Deno.test("rest answers 400 to a violated check", async () => {
  const { status, error } = await service.from("contract_rows").insert({ id: 3, total: -1 });
  assert.deepEqual([status, error?.code], [400, "23514"]);
});

Deno.test("rest runs row level security as the token's user", async () => {
  const user = client(stack.publishable_key, await userToken());
  const { data } = await user.from("contract_rows").select("id").eq("id", 1);
  assert.deepEqual(data, [{ id: 1 }]);
});

Deno.test("rest refuses a token of a role that is not the API's", async () => {
  const { status } = await client(stack.publishable_key, await userToken({ role: "postgres" }))
    .from("contract_rows").select("id");
  assert.ok(status === 401 || status === 403, `status ${status}`);
});

Deno.test("rest sees a table right after it was created", async () => {
  await sql`create table public.contract_late (id int)`;
  await sql`grant select on public.contract_late to service_role`;
  try {
    await eventually("the new table is served", async () => {
      return (await service.from("contract_late").select("id")).status === 200;
    });
  } finally {
    await sql`drop table public.contract_late`;
  }
});

Deno.test("rpc passes a jsonb argument as an object", async () => {
  const { data } = await service.rpc("contract_type", { value: { a: 1 } });
  assert.equal(data, "object");
});

Deno.test("rpc returns jsonb scalars, sets, tables and nothing as PostgREST does", async () => {
  assert.equal((await service.rpc("contract_echo", { value: "it's" })).data, "it's");
  assert.equal((await service.rpc("contract_echo", { value: null })).data, null);
  assert.deepEqual((await service.rpc("contract_numbers")).data, [1, 2, 3]);
  assert.deepEqual((await service.rpc("contract_table")).data, [{ n: 1 }, { n: 2 }]);
  const [row] = await sql`select to_jsonb(r) as json from public.contract_rows as r where id = 1`;
  assert.deepEqual((await service.rpc("contract_list")).data, [row?.json]);
  assert.equal((await service.rpc("contract_nothing")).status, 204);
});

Deno.test("rpc keeps every digit of a bigint", async () => {
  const response = await fetch(`${stack.api_url}/rest/v1/rpc/contract_big`, {
    method: "POST",
    headers: { apikey: stack.secret_key, "content-type": "application/json" },
    body: "{}",
  });
  assert.equal(await response.text(), "9007199254740993");
});

Deno.test("rpc answers a raised error with its body and status", async () => {
  const raised = await service.rpc("contract_fail", { code: "P0001" });
  assert.equal(raised.status, 400);
  const { code, message, details, hint } = raised.error ?? {};
  assert.deepEqual({ code, message, details, hint }, {
    code: "P0001",
    message: "no",
    details: "d",
    hint: "h",
  });
  assert.equal((await service.rpc("contract_fail", { code: "PT402" })).status, 402);
  assert.equal((await service.rpc("contract_fail", { code: "40001" })).status, 500);
});

Deno.test("rpc answers 404 to an unknown function or argument", async () => {
  assert.equal((await service.rpc("contract_missing")).status, 404);
  assert.equal((await service.rpc("contract_echo", { other: 1 })).status, 404);
});

Deno.test("rpc refuses a bad key and a forged, expired or future token", async () => {
  assert.equal((await client("sb_publishable_wrong").rpc("contract_claims")).status, 401);
  const now = Math.floor(Date.now() / 1000);
  for (const claims of [{ exp: now - 60 }, { iat: now + 600 }]) {
    const caller = client(stack.publishable_key, await userToken(claims));
    assert.equal((await caller.rpc("contract_claims")).status, 401);
  }
  const forged = client(stack.publishable_key, await userToken({}, "another secret"));
  assert.equal((await forged.rpc("contract_claims")).status, 401);
});

Deno.test("auth hands user metadata to a trigger as an object", async () => {
  const { data } = await service.auth.admin.createUser({
    email: `contract-${crypto.randomUUID()}@example.com`,
    user_metadata: { nickname: "Tommy" },
  });
  const rows = await sql`
    select nickname from public.contract_signups where user_id = ${data.user?.id ?? null}`;
  assert.equal(rows[0]?.nickname, "Tommy");
});

/** A client with the given key and, when there is one, a user's token; it keeps no session. */
function client(key: string, token?: string): SupabaseClient {
  return createClient(stack.api_url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    global: token ? { headers: { authorization: `Bearer ${token}` } } : {},
  });
}

/** A token as auth would issue it for somebody; claims given replace the usual ones. */
function userToken(claims: Record<string, unknown> = {}, secret = stack.jwt_secret) {
  return new SignJWT({ sub: crypto.randomUUID(), role: "authenticated", ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT", kid: "local" })
    .setExpirationTime(typeof claims.exp === "number" ? claims.exp : "1h")
    .sign(new TextEncoder().encode(secret));
}
