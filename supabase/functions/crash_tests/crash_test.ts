import assert from "node:assert/strict";
import {
  eventually,
  isolatedEnvironment,
  startTestStack,
  type TestStack,
} from "../../../scripts/stack/testing.ts";
import postgres from "postgres";
import { guestRequest } from "../tests/photos.ts";

async function beginPhoto(stack: TestStack): Promise<string> {
  const response = await fetch(`${stack.info.api_url}/functions/v1/cabina-vision`, {
    method: "POST",
    headers: { apikey: stack.info.publishable_key, "content-type": "application/json" },
    body: JSON.stringify(await guestRequest("quince-sofia-2024")),
  });
  const body = await response.json();
  assert.equal(response.status, 202, JSON.stringify(body));
  return body.generation_id;
}

Deno.test("a photo that is under way when everything is killed is made after the next start", async () => {
  const env: Record<string, string> = {
    ...await isolatedEnvironment(),
    CABINA_SWEEP_SECONDS: "1",
  };
  let stack = await startTestStack(env);
  const sql = postgres(stack.info.db_url, { max: 1, onnotice: () => {} });
  try {
    // The simulator is killed too and forgets its tasks, as if the provider had lost them.
    const id = await beginPhoto(stack);
    await eventually("the dispatch", async () => {
      const [row] =
        await sql`select status from private.generation_attempts where generation_id = ${id}`;
      return row?.status === "submitted";
    });
    Deno.kill(stack.pid, "SIGKILL");
    await stack.stop();

    stack = await startTestStack(env);
    // As if the time had passed in which the provider may not yet know a task.
    await sql`
      update private.generation_attempts
      set submitted_at = now() - interval '1 minute', next_check_at = now()
      where generation_id = ${id}`;
    const [row] = await eventually("the end of the photo", async () => {
      const rows = await sql`select status, credits_charged from generations where id = ${id}`;
      return ["succeeded", "failed"].includes(rows[0]!.status) && rows;
    });
    assert.deepEqual({ ...row }, { status: "succeeded", credits_charged: 1 });
    const [event] =
      await sql`select credits_used from events where event_slug = 'quince-sofia-2024'`;
    assert.equal(event!.credits_used, 1);
    assert.deepEqual([...await sql`select * from credit_audit()`], []);
  } finally {
    await sql.end();
    await stack.stop();
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
});

Deno.test("the seed refuses a database without the local stack's marker", async () => {
  const env = await isolatedEnvironment();
  const stack = await startTestStack(env);
  const url = new URL(stack.info.db_url);
  const sql = postgres({
    host: url.hostname,
    port: Number(url.port),
    user: "supabase_admin",
    password: url.password,
    database: "postgres",
    max: 1,
    onnotice: () => {},
  });
  try {
    await sql`drop schema local_stack cascade`;
    await sql`delete from supabase_migrations.seed_files`;
    const counts = () =>
      sql`select (select count(*) from auth.users) as users, (select count(*) from styles_metadata) as styles`;
    const before = await counts();

    const push = await new Deno.Command("node_modules/.bin/supabase", {
      args: [
        "db",
        "push",
        "--include-seed",
        "--yes",
        `--remote=${stack.info.db_url}?sslmode=disable`,
      ],
      env: {
        SUPABASE_TELEMETRY_DISABLED: "1",
        SUPABASE_NO_UPDATE_NOTIFIER: "1",
        SUPABASE_HOME: env.CABINA_DATA_DIR!,
      },
      stdin: "null",
    }).output();
    const output = new TextDecoder().decode(push.stdout) + new TextDecoder().decode(push.stderr);
    assert.equal(push.success, false, output);
    assert.match(output, /This database is not a local stack/);
    assert.deepEqual([...await counts()], [...before]);
  } finally {
    await sql.end();
    await stack.stop();
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
});
