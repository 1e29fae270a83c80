import { cpus } from "node:os";
import type postgres from "postgres";
import { readConfig, type StackConfig } from "../stack/config.ts";
import { connect } from "../stack/connect.ts";
import { startDatabase } from "../stack/database.ts";
import { loadKeys } from "../stack/keys.ts";
import { isolatedEnvironment } from "../stack/testing.ts";
import { median, percentile, round } from "./figures.ts";

const CONNECTIONS = [1, 16, 64];
const EVENTS = 100;
/** Alternating runs of each kind; the medians are reported. */
const ROUNDS = 3;
const SECONDS = 2;

/** Least part of the bare update's throughput on one hot event, by connections. */
const HOT_GOALS: Record<number, number> = { 16: 0.75, 64: 0.65 };
/** Least multiple of the hot figure when the photos are spread over all events, by connections. */
const SPREAD_GOALS: Record<number, number> = { 16: 2.5, 64: 2.5 };

type Kind = "bare" | "begin";

/** Figures of one load and number of connections: calls a second, times in milliseconds. */
export interface CreditsRow {
  bare_per_second: number;
  begin_per_second: number;
  /** begin / bare when hot; begin spread / begin hot when spread. */
  ratio: number;
  goal: number | null;
  begin_p50_ms: number;
  begin_p95_ms: number;
  begin_p99_ms: number;
  bare_p50_ms: number;
  bare_p95_ms: number;
  bare_p99_ms: number;
}

export interface CreditsResult {
  about: Record<string, string | number>;
  figures: Record<string, CreditsRow>;
  /** What credit_audit found afterwards. */
  audit: unknown[];
}

/**
 * Compares the whole begin of a guest's photo with one bare update of the counter that it ends in, on
 * a cluster of its own with production durability. Each connection makes one call that loops in the
 * server and times every turn there, commit included. Throws when the books are wrong afterwards.
 */
export async function benchCredits(): Promise<CreditsResult> {
  const config = readConfig(await isolatedEnvironment());
  const database = await startDatabase(config, (await loadKeys(config.dataDir)).id);
  try {
    if (database.problem) throw new Error(database.problem);
    const about = await makeDurable(config);
    const sql = await connect(config, "postgres", { max: Math.max(...CONNECTIONS) });
    const events = await prepare(sql);
    const figures: Record<string, CreditsRow> = {};
    for (const connections of CONNECTIONS) {
      const hot = await compare(sql, connections, {
        bare: [events.bare[0]!],
        begin: [events.begin[0]!],
      });
      const spread = await compare(sql, connections, events);
      figures[`hot ${connections}`] = row(hot, hot.bare, HOT_GOALS[connections]);
      figures[`spread ${connections}`] = row(spread, hot.begin, SPREAD_GOALS[connections]);
    }
    const audit = await checkBooks(sql, events);
    await sql.end({ timeout: 1 });
    return { about, figures, audit };
  } finally {
    await database.stop();
    await Deno.remove(config.dataDir, { recursive: true });
  }
}

/** Gives the cluster back the durability that the stack's databases do without, and reads it back. */
async function makeDurable(config: StackConfig): Promise<CreditsResult["about"]> {
  const superuser = await connect(config, "supabase_admin");
  for (const name of ["fsync", "synchronous_commit", "full_page_writes"]) {
    await superuser.unsafe(`alter system set ${name} = on`);
  }
  await superuser`select pg_reload_conf()`;
  await superuser.end({ timeout: 1 });
  // A new session has read the new settings.
  const reader = await connect(config, "postgres");
  const [settings] = await reader`
    select current_setting('server_version') as postgres, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as synchronous_commit,
      current_setting('full_page_writes') as full_page_writes`;
  await reader.end({ timeout: 1 });
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    ...settings,
    events: EVENTS,
    rounds: ROUNDS,
    seconds_a_round: SECONDS,
  };
}

interface Events {
  bare: string[];
  begin: string[];
}

/** A style, and as many events for the bare updates as for the photos, all rich. */
async function prepare(sql: postgres.Sql): Promise<Events> {
  await sql.unsafe(await Deno.readTextFile(new URL("./credits.sql", import.meta.url))).simple();
  await sql`insert into styles_metadata (id, label, category, subcategory)
    values ('bench_style', 'Bench', 'Bench', 'Bench')`;
  await sql`insert into identity_prompts (id, master_prompt) values ('bench_style', 'Bench')`;
  const make = async (kind: Kind) =>
    (await sql<{ id: string }[]>`
      insert into events (event_name, event_slug)
      select ${kind}, format('bench-%s-%s', ${kind}::text, number) from generate_series(1, ${EVENTS}) as number
      returning id`).map(({ id }) => id);
  const events = { bare: await make("bare"), begin: await make("begin") };
  await sql`select private.allocate_event_credits(id, 10000000) from events where event_slug like 'bench-%'`;
  return events;
}

type Times = Record<Kind, { perSecond: number; milliseconds: number[] }>;

/** Runs both kinds in turns; medians of the rounds' throughput, the times of all rounds together. */
async function compare(sql: postgres.Sql, connections: number, events: Events): Promise<Times> {
  const rates: Record<Kind, number[]> = { bare: [], begin: [] };
  const times: Record<Kind, number[]> = { bare: [], begin: [] };
  for (let number = 0; number < ROUNDS; number++) {
    for (const kind of ["bare", "begin"] as const) {
      const calls = Array.from({ length: connections }, () =>
        sql<{ p_microseconds: number[] }[]>`
          call ${sql(`bench.run_${kind}`)}(${events[kind]}::uuid[], ${SECONDS})`);
      const turns = (await Promise.all(calls)).flatMap(([result]) => result!.p_microseconds);
      rates[kind].push(turns.length / SECONDS);
      for (const microseconds of turns) times[kind].push(microseconds / 1000);
    }
  }
  return {
    bare: { perSecond: median(rates.bare), milliseconds: times.bare.toSorted((a, b) => a - b) },
    begin: { perSecond: median(rates.begin), milliseconds: times.begin.toSorted((a, b) => a - b) },
  };
}

function row(times: Times, base: { perSecond: number }, goal: number | undefined): CreditsRow {
  const { bare, begin } = times;
  return {
    bare_per_second: Math.round(bare.perSecond),
    begin_per_second: Math.round(begin.perSecond),
    ratio: round(begin.perSecond / base.perSecond),
    goal: goal ?? null,
    begin_p50_ms: round(percentile(begin.milliseconds, 0.5)),
    begin_p95_ms: round(percentile(begin.milliseconds, 0.95)),
    begin_p99_ms: round(percentile(begin.milliseconds, 0.99)),
    bare_p50_ms: round(percentile(bare.milliseconds, 0.5)),
    bare_p95_ms: round(percentile(bare.milliseconds, 0.95)),
    bare_p99_ms: round(percentile(bare.milliseconds, 0.99)),
  };
}

/** Takes back what the bare updates did behind the ledger's back; after that everything must agree. */
async function checkBooks(sql: postgres.Sql, events: Events): Promise<unknown[]> {
  await sql`update events set credits_used = 0 where id = any (${events.bare}::uuid[])`;
  const audit = await sql`select * from credit_audit()`;
  const [counts] = await sql`
    select
      (select count(*) from generations where event_id = any (${events.begin}::uuid[])) as photos,
      (select count(*) from private.credit_movements
       where kind = 'charge' and source_id = any (${events.begin}::uuid[])) as charges,
      (select sum(credits_used) from events where id = any (${events.begin}::uuid[])) as used`;
  if (audit.length > 0 || new Set(Object.values(counts!).map(Number)).size !== 1) {
    throw new Error(`The books are wrong: ${JSON.stringify({ audit, ...counts })}`);
  }
  return audit;
}
