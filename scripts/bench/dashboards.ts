import { cpus } from "node:os";
import type postgres from "postgres";
import { readConfig } from "../stack/config.ts";
import { connect } from "../stack/connect.ts";
import { isolatedEnvironment, startTestStack } from "../stack/testing.ts";
import { queries, type Query } from "./dashboard_queries.ts";
import { percentile, round } from "./figures.ts";

/** Times that each query is asked, for another event or partner each time where there are several. */
const REPETITIONS = { sql: 100, http: 40 };
const GOAL_P95_MS = 50;

/** Figures of one query in milliseconds: the statement, and the same over HTTP through the gateway. */
export interface DashboardsRow {
  sql_p50_ms: number;
  sql_p95_ms: number;
  goal_p95_ms: number | null;
  is_met: boolean | null;
  http_p50_ms: number;
  http_p95_ms: number;
}

export interface DashboardsResult {
  about: Record<string, string | number>;
  figures: Record<string, DashboardsRow>;
}

/**
 * Asks what dashboards ask, on a stack of its own with a million photos: as a statement, and over HTTP.
 * Throws when a figure is not that of the photos, or the books are wrong.
 */
export async function benchDashboards(): Promise<DashboardsResult> {
  const env: Record<string, string> = {
    ...await isolatedEnvironment(),
    CABINA_SWEEP_SECONDS: "0",
  };
  const stack = await startTestStack(env);
  try {
    const superuser = await connect(readConfig(env), "supabase_admin");
    const about = { ...await fill(superuser), ...await rollUp(superuser) };
    await check(superuser);
    await superuser.end({ timeout: 1 });

    const sql = await connect(readConfig(env), "postgres");
    // The tests' helpers find the stack by this.
    Deno.env.set("CABINA_STACK", stack.infoFile);
    const figures: Record<string, DashboardsRow> = {};
    for (const [name, query] of Object.entries(queries)) figures[name] = await measure(sql, query);
    await sql.end({ timeout: 1 });
    return { about, figures };
  } finally {
    await stack.stop();
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
}

async function fill(sql: postgres.Sql): Promise<DashboardsResult["about"]> {
  const began = performance.now();
  const text = await Deno.readTextFile(new URL("./dashboards.sql", import.meta.url));
  await sql.unsafe(text).simple();
  await sql`vacuum analyze`;
  const seconds = Math.round((performance.now() - began) / 1000);
  const [database] = await sql`
    select current_setting('server_version') as postgres,
      pg_size_pretty(pg_database_size(current_database())) as size,
      (select count(*)::integer from generations) as photos,
      (select count(*)::integer from events) as events,
      (select count(*)::integer from partners) as partners`;
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    ...database,
    fill_seconds: seconds,
  };
}

/** Rolls everything up, a day at a time as sweeps do. */
async function rollUp(sql: postgres.Sql): Promise<DashboardsResult["about"]> {
  await sql`select private.forget_figures()`;
  const times: number[] = [];
  let isDone = false;
  while (!isDone) {
    const began = performance.now();
    const [row] = await sql`select roll_up_figures('1 day') < '1 day' as is_done`;
    isDone = row!.is_done;
    times.push(performance.now() - began);
  }
  await sql`analyze private.hourly_photos, private.hourly_styles, private.hourly_latencies`;
  const [tables] = await sql`
    select (select count(*)::integer from private.hourly_photos) as photo_rows,
      (select count(*)::integer from private.hourly_styles) as style_rows,
      (select count(*)::integer from private.hourly_latencies) as latency_rows,
      pg_size_pretty(sum(pg_total_relation_size(oid))) as roll_up_size
    from pg_class where relname like 'hourly%' and relkind = 'r'`;
  const sorted = times.toSorted((a, b) => a - b);
  return {
    roll_up_seconds: round(times.reduce((a, b) => a + b, 0) / 1000),
    roll_up_day_p50_ms: round(percentile(sorted, 0.5)),
    roll_up_day_p95_ms: round(percentile(sorted, 0.95)),
    ...tables,
  };
}

async function check(sql: postgres.Sql): Promise<void> {
  const [counts] = await sql<[{ figure: number; photos: number }]>`
    select
      (select sum(made)::integer from private.read_photos('-infinity', 'infinity', null)) as figure,
      (select count(*)::integer from generations) as photos`;
  if (counts.figure !== counts.photos) {
    throw new Error(`Counted were ${counts.figure} of ${counts.photos} photos`);
  }
  const audit = await sql`select * from credit_audit()`;
  if (audit.length > 0) throw new Error(`The books are wrong: ${JSON.stringify(audit[0])}`);
}

async function measure(sql: postgres.Sql, query: Query): Promise<DashboardsRow> {
  const { mintToken } = await import("../../supabase/functions/tests/fixtures.ts");
  const { callFunction } = await import("../../supabase/functions/tests/stack.ts");
  const visits = await visitsOf(sql, query);
  const times = { sql: [] as number[], http: [] as number[] };
  for (const how of ["sql", "http"] as const) {
    // The first visit makes the session read the catalogue.
    for (let number = -1; number < REPETITIONS[how]; number++) {
      const { who, email, event } = visits[(number + 1) % visits.length]!;
      const token = await mintToken(who, email);
      const fillIn = (text: string, quote = "") =>
        text.replace("$who", `${quote}${who}${quote}`).replace(
          "$event",
          `${quote}${event}${quote}`,
        );
      const began = performance.now();
      if (how === "sql") {
        await sql.unsafe(fillIn(query.sql, "'"));
      } else {
        const path = `event-admin/${fillIn(query.path)}`;
        const { status, body } = await callFunction(path, undefined, { method: "GET", token });
        if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
      }
      if (number >= 0) times[how].push(performance.now() - began);
    }
    times[how].sort((a, b) => a - b);
  }
  const p95 = percentile(times.sql, 0.95);
  const goal = query.hasGoal === false ? null : GOAL_P95_MS;
  return {
    sql_p50_ms: round(percentile(times.sql, 0.5)),
    sql_p95_ms: round(p95),
    goal_p95_ms: goal,
    is_met: goal === null ? null : p95 < goal,
    http_p50_ms: round(percentile(times.http, 0.5)),
    http_p95_ms: round(percentile(times.http, 0.95)),
  };
}

/** Who asks about which event, in random order. */
async function visitsOf(sql: postgres.Sql, { who, events }: Query) {
  return await sql<{ who: string; email: string; event: string }[]>`
    select people.id as who, profiles.email, events.id as event
    from events
    join partners on partners.id = events.partner_id
    join clients on clients.id = events.client_id
    join bench.people on people.id = case ${who}
      when 'partner' then partners.user_id
      when 'client' then clients.user_id
      when 'user' then bench.id('user', 1)
      else bench.id('master', 1)
    end
    join profiles on profiles.id = people.id
    where (events.event_slug = 'bench-1') = ${events === "hot"} and events.event_slug like 'bench-%'
    order by random() limit 100`;
}
