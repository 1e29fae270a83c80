// The schedule on a database that has stand-ins for the platform's extensions (stand_ins.ts says what that proves).
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Sql } from "postgres";
import { connect } from "../stack/connect.ts";
import { withDatabase } from "../stack/testing_database.ts";
import { addStandIns, removeStandIn } from "./stand_ins.ts";

const MIGRATION = "supabase/migrations/20261124120000_schedule_sweeps.sql";
const JOBS = [
  {
    jobname: "cabina-forget-runs",
    schedule: "17 3 * * *",
    command: "select private.forget_runs()",
  },
  {
    jobname: "cabina-reconcile",
    schedule: "* * * * *",
    command: "select private.call_function('mp-webhook/reconcile')",
  },
  {
    jobname: "cabina-sweep",
    schedule: "10 seconds",
    command: "select private.call_function('cabina-vision/sweep')",
  },
];
const PROJECT = "https://abcdefgh.supabase.co";
const KEY = "sb_secret_of_the_test";

Deno.test("the database schedules its own calls where the platform's extensions exist", async (t) => {
  await withDatabase(async (config, { extensionDir }) => {
    const notices: string[] = [];
    const sql = await connect(config, "postgres", {
      onnotice: ({ message }) => notices.push(message ?? ""),
    });
    try {
      await t.step("migrations install each job once", async () => {
        assert.deepEqual(await readJobs(sql), JOBS);
      });
      await t.step("without its entries in Vault a call is an alert and no post", async () => {
        await runJob(sql, "cabina-sweep");
        await runJob(sql, "cabina-sweep");
        await runJob(sql, "cabina-reconcile");
        const [alert, ...more] = await openAlerts(sql);
        assert.match(alert ?? "", /no cabina_project_url and no cabina_secret_key/);
        assert.deepEqual(more, []);
        assert.deepEqual(await takeRequests(sql), []);
      });
      await t.step("the alert names what is still missing", async () => {
        await keepSecret(sql, "cabina_project_url", `${PROJECT}/`);
        await runJob(sql, "cabina-sweep");
        assert.match((await openAlerts(sql))[0] ?? "", /Vault has no cabina_secret_key\.$/);
        assert.deepEqual(await takeRequests(sql), []);
      });
      await t.step("with them the jobs post, and the alert is resolved", async () => {
        await keepSecret(sql, "cabina_secret_key", KEY);
        await runJob(sql, "cabina-sweep");
        await runJob(sql, "cabina-reconcile");
        assert.deepEqual(await takeRequests(sql), [
          request("/functions/v1/cabina-vision/sweep"),
          request("/functions/v1/mp-webhook/reconcile"),
        ]);
        assert.deepEqual(await openAlerts(sql), []);
      });
      await t.step("a call that still waits to be sent is not doubled", async () => {
        await runJob(sql, "cabina-sweep");
        await runJob(sql, "cabina-sweep");
        assert.equal((await takeRequests(sql)).length, 1);
        await runJob(sql, "cabina-sweep");
        assert.equal((await takeRequests(sql)).length, 1);
      });
      await t.step("installing again changes nothing", async () => {
        const before = await sql`select * from cron.job order by jobid`;
        assert.match(await install(sql), /^Scheduled: /);
        assert.deepEqual(await sql`select * from cron.job order by jobid`, before);
      });
      await t.step("old runs of our jobs are forgotten, others stay", async () => {
        await sql`select cron.schedule('of somebody else', '* * * * *', 'select 1')`;
        await sql`
          insert into cron.job_run_details (runid, jobid, start_time)
          select run.id, job.jobid, now() - run.age
          from (values
            (1, 'cabina-sweep', interval '2 days'),
            (2, 'of somebody else', interval '2 days'),
            (3, 'cabina-sweep', null), -- could not begin
            (4, 'cabina-reconcile', interval '25 hours'),
            (5, 'cabina-sweep', interval '23 hours'),
            (6, 'cabina-sweep', null)
          ) as run (id, name, age)
          join cron.job on job.jobname = run.name`;
        await runJob(sql, "cabina-forget-runs");
        const left = await sql`select runid from cron.job_run_details order by runid`;
        assert.deepEqual(left.map(({ runid }) => Number(runid)), [2, 5, 6]);
      });
      await t.step("an extension that cannot be created is a reason, not an error", async () => {
        await sql`drop extension pg_net`;
        await Deno.writeTextFile(`${extensionDir}/pg_net--0.sql`, "select 1 / 0;");
        assert.match(await install(sql), /^Not scheduled: division by zero\. .*POST/);
      });
      await t.step("without the extensions a notice says how to call the routes", async () => {
        await sql`drop extension pg_cron`;
        await removeStandIn(extensionDir, "pg_cron");
        await removeStandIn(extensionDir, "pg_net");
        const migration = await Deno.readTextFile(join(config.root, MIGRATION));
        notices.length = 0;
        await sql.unsafe(migration.slice(migration.lastIndexOf("do $$")));
        const [notice] = notices;
        assert.match(notice ?? "", /^Not scheduled: the database has no pg_cron, pg_net\. /);
        assert.match(notice ?? "", /POST \{project url\}\/functions\/v1\/cabina-vision\/sweep/);
      });
    } finally {
      await sql.end({ timeout: 1 });
    }
  }, addStandIns);
});

async function readJobs(sql: Sql) {
  const jobs = await sql`
    select jobname, schedule, command from cron.job
    where active and username = 'postgres' and database = 'postgres' order by jobname`;
  return [...jobs];
}

/** Runs what pg_cron would: the text of the job's command, as its user. */
async function runJob(sql: Sql, name: string): Promise<void> {
  const [job] = await sql`select command from cron.job where jobname = ${name}`;
  await sql.unsafe(job?.command).simple();
}

async function install(sql: Sql): Promise<string> {
  const [row] = await sql`select private.install_schedule() as said`;
  return row?.said;
}

async function keepSecret(sql: Sql, name: string, secret: string): Promise<void> {
  await sql`select vault.create_secret(${secret}, ${name})`;
}

async function openAlerts(sql: Sql): Promise<string[]> {
  const alerts = await sql`
    select message from private.alerts
    where kind = 'schedule_not_configured' and resolved_at is null`;
  return alerts.map(({ message }) => message);
}

/** What waits to be sent, taken from the queue as pg_net's worker takes it. */
async function takeRequests(sql: Sql) {
  const taken = await sql`
    with taken as (delete from net.http_request_queue returning *)
    select method, url, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds
    from taken order by id`;
  return [...taken];
}

function request(path: string) {
  return {
    method: "POST",
    url: PROJECT + path,
    headers: { apikey: KEY, "content-type": "application/json" },
    body: "{}",
    timeout_milliseconds: 55_000,
  };
}
