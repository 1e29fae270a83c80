import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import { readConfig } from "./config.ts";
import { startStack } from "./stack.ts";
import { eventually, isolatedEnvironment, startTestStack, type TestStack } from "./testing.ts";

const LINUX_ONLY = { ignore: Deno.build.os !== "linux" };

Deno.test("a stack that was killed starts again with its data and keys", async () => {
  const env = await isolatedEnvironment();
  const first = await startTestStack(env);
  await write(first, "create table public.kept (id int)");
  Deno.kill(first.pid, "SIGKILL");
  await first.stop();
  const second = await startTestStack(env);
  try {
    assert.deepEqual(second.info, first.info);
    await write(second, "select from public.kept");
    await assertAnswers(second);
  } finally {
    await second.stop();
  }
});

Deno.test("a stack whose database was killed starts again", async () => {
  const env = await isolatedEnvironment();
  const first = await startTestStack(env);
  const sql = superuser(first);
  const [file] = await sql`select pg_read_file('postmaster.pid') as text`;
  await sql.end();
  Deno.kill(parseInt(file?.text), "SIGKILL");
  Deno.kill(first.pid, "SIGKILL");
  await first.stop();
  const second = await startTestStack(env);
  try {
    await assertAnswers(second);
  } finally {
    await second.stop();
  }
});

Deno.test("a factory reset after a kill is not blocked by the old database", async () => {
  const env = await isolatedEnvironment();
  const first = await startTestStack(env);
  await write(first, "create table public.gone (id int)");
  Deno.kill(first.pid, "SIGKILL");
  await first.stop();
  // The old database still writes files into the folders that are being removed.
  await eventually("the folder is gone", () =>
    Deno.remove(first.dataDir, { recursive: true }).then(
      () => true,
      (error) => error instanceof Deno.errors.NotFound,
    ));
  const second = await startTestStack(env);
  try {
    assert.notEqual(second.info.secret_key, first.info.secret_key);
    await assert.rejects(write(second, "select from public.gone"), /does not exist/);
  } finally {
    await second.stop();
  }
});

Deno.test("the gateway survives the loss of every database connection", async () => {
  const stack = await startTestStack(await isolatedEnvironment());
  try {
    await assertAnswers(stack);
    const sql = superuser(stack);
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where pid <> pg_backend_pid() and backend_type = 'client backend'`;
    await sql.end();
    await eventually("the Data API answers again", async () => {
      return (await request(stack)).ok;
    });
  } finally {
    await stack.stop();
  }
});

Deno.test({
  ...LINUX_ONLY,
  name: "SIGTERM and SIGKILL leave no process of the stack but a killed stack's database",
  async fn() {
    const env = await isolatedEnvironment();
    const stack = await startTestStack(env);
    assert.ok((await processesOf(stack)).length > 4);
    Deno.kill(stack.pid, "SIGKILL");
    await eventually("the children have noticed", async () => {
      return (await processesOf(stack)).every((command) => command.includes("postgres"));
    });
    const again = await startTestStack(env);
    await again.stop();
    assert.deepEqual(await processesOf(again), []);
  },
});

Deno.test("startStack() refuses a data folder that another stack uses", async () => {
  const env = await isolatedEnvironment();
  const first = await startTestStack(env);
  try {
    const config = readConfig({
      ...await isolatedEnvironment(),
      CABINA_DATA_DIR: env.CABINA_DATA_DIR!,
    });
    await assert.rejects(startStack(config), /Another stack uses .+ set CABINA_DATA_DIR/);
    await assertAnswers(first);
  } finally {
    await first.stop();
  }
});

Deno.test("startStack() names the port that is in use, and by whom", async () => {
  const env = await isolatedEnvironment();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(env.CABINA_DB_PORT) });
  try {
    await assert.rejects(startStack(readConfig(env)), (error: Error) => {
      assert.match(error.message, new RegExp(`^Port ${env.CABINA_DB_PORT} is in use`));
      assert.match(error.message, /set CABINA_DB_PORT to a free port$/);
      if (Deno.build.os === "linux") assert.ok(error.message.includes(`(process ${Deno.pid})`));
      return true;
    });
  } finally {
    listener.close();
  }
});

Deno.test("startStack() names the line of a broken migration and serves the rest", async () => {
  const config = readConfig({ ...await isolatedEnvironment(), CABINA_SWEEP_SECONDS: "0" });
  const root = await Deno.makeTempDir({ prefix: "cabina-project-" });
  const migrations = join(root, "supabase/migrations");
  await Deno.mkdir(migrations, { recursive: true });
  await Deno.mkdir(join(root, "supabase/functions"));
  for (const name of ["scripts", "node_modules", "package.json", "deno.json"]) {
    await Deno.symlink(join(config.root, name), join(root, name));
  }
  const toml = await Deno.readTextFile(join(config.root, "supabase/config.toml"));
  await Deno.writeTextFile(join(root, "supabase/config.toml"), toml);
  await Deno.writeTextFile(
    join(migrations, "20260101000000_good.sql"),
    "create table public.good (id int);\ngrant select on public.good to service_role;\n",
  );
  await Deno.writeTextFile(
    join(migrations, "20260101000001_bad.sql"),
    "-- one\nselect 1;\n\ncreate table public.bad (\n  id int,\n  total numeric nope\n);\n",
  );
  const stack = await startStack({ ...config, root });
  try {
    assert.match(
      stack.problem ?? "",
      /^supabase\/migrations\/20260101000001_bad\.sql:6 ERROR: syntax/,
    );
    const response = await fetch(`${stack.info.api_url}/rest/v1/good`, {
      headers: { apikey: stack.info.secret_key },
    });
    assert.deepEqual(await response.json(), []);
  } finally {
    await stack.stop();
    await Deno.remove(root, { recursive: true });
  }
});

/** Runs a statement as the restricted role `postgres`. */
async function write(stack: TestStack, statement: string): Promise<void> {
  const sql = postgres(stack.info.db_url, { onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

/** A connection with all rights, to look behind the scenes. */
function superuser(stack: TestStack): postgres.Sql {
  const url = stack.info.db_url.replace("postgres:postgres@", "supabase_admin:postgres@");
  return postgres(url, { onnotice: () => {} });
}

function request(stack: TestStack): Promise<Response> {
  return fetch(`${stack.info.api_url}/auth/v1/settings`, {
    headers: { apikey: stack.info.publishable_key },
  });
}

async function assertAnswers(stack: TestStack): Promise<void> {
  const response = await request(stack);
  await response.body?.cancel();
  assert.equal(response.status, 200);
}

/** Command lines of the living processes that carry the stack's data folder or port in them. */
async function processesOf(stack: TestStack): Promise<string[]> {
  const found: string[] = [];
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const read = (file: string) => Deno.readTextFile(`/proc/${pid}/${file}`).catch(() => "");
    const command = (await read("cmdline")).replaceAll("\0", " ");
    const mine = `${command}${await read("environ")}`.includes(stack.dataDir);
    if (mine && command !== "") found.push(command);
  }
  return found;
}
