// The first master of a project, as an operator makes one: one, and no second.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { dbUrl } from "./stack/postgres.ts";
import { eventually, readStack } from "./stack/testing.ts";
import { withDatabase } from "./stack/testing_database.ts";

/** Runs the command with nothing of our own environment but what is given. */
async function makeMaster(args: string[], env: Record<string, string>) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-all",
      fileURLToPath(new URL("make_master.ts", import.meta.url)),
      ...args,
    ],
    env: { HOME: Deno.env.get("HOME") ?? "", ...env },
    clearEnv: true,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("make-master says what it did, or what stands in the way and the way out", async () => {
  const { api_url, secret_key, publishable_key } = await readStack();
  const project = { SUPABASE_URL: api_url, SUPABASE_SECRET_KEY: secret_key };

  const again = await makeMaster(["Master@Cabina.test"], project);
  assert.equal(again.code, 0, again.err);
  assert.match(again.out, /^Master@Cabina\.test \([0-9a-f-]{36}\) is a master of http/);

  const refusals: [string[], Record<string, string>, RegExp][] = [
    [["user@cabina.test"], project, /has a master already\. Ask a master to change the role/],
    [["nobody@cabina.test"], project, /confirmed the address nobody@cabina\.test\. Sign up and/],
    [[], project, /^Whom\? npm run make-master -- you@example\.com$/],
    [["user@cabina.test"], { SUPABASE_URL: api_url }, /^Set both SUPABASE_URL and SUPABASE_SECRET/],
    [["user@cabina.test"], { CABINA_DATA_DIR: "/nowhere" }, /^There is no \/nowhere\/stack\.json/],
    // A publishable key is no operator's.
    [["user@cabina.test"], { ...project, SUPABASE_SECRET_KEY: publishable_key }, /permission/],
  ];
  const answers = await Promise.all(refusals.map(([args, env]) => makeMaster(args, env)));
  for (const [index, [, , message]] of refusals.entries()) {
    const { code, out, err } = answers[index]!;
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, message);
  }
});

Deno.test("of several first masters at once there is one", async () => {
  await withDatabase(async (config) => {
    const sql = postgres(dbUrl(config, "postgres"), { max: 6, onnotice: () => {} });
    try {
      await sql`update public.profiles set role = 'user' where role = 'master'`;
      const people = ["partner", "client", "user"].map((name) => `${name}@cabina.test`);
      const { racing } = await sql.begin(async (gate) => {
        await gate`select pg_advisory_xact_lock(hashtextextended('make_first_master', 0))`;
        const calls = people.map((email) => sql`select public.make_first_master(${email})`);
        const racing = Promise.allSettled(calls);
        await eventually("everybody to wait", async () => {
          const [locks] = await sql`
            select count(*)::int as waiting from pg_locks where locktype = 'advisory' and not granted`;
          return locks!.waiting === people.length;
        });
        return { racing }; // in an object: a bare promise would be waited for before the gate opens
      });
      const outcomes = (await racing).map((outcome) =>
        outcome.status === "fulfilled" ? "made" : JSON.parse(outcome.reason.detail).code
      );
      assert.deepEqual(outcomes.sort(), ["CONFLICT", "CONFLICT", "made"]);
      const [count] =
        await sql`select count(*)::int as masters from public.profiles where is_master`;
      assert.equal(count!.masters, 1);
    } finally {
      await sql.end();
    }
  });
});
