import { cpus } from "node:os";
import type postgres from "postgres";
import type { StackConfig } from "../stack/config.ts";
import { connect } from "../stack/connect.ts";
import { withDatabase } from "../stack/testing_database.ts";
import { median, percentile, round } from "./figures.ts";

/** Times that each query is planned and run on either side, for other people and events each time. */
const REPETITIONS = 100;
/** Visits whose answers are compared before; they also make the session read the catalogue. */
const COMPARED = 5;

/** The median behind row level security: half as much again, or this much more for what is very short. */
const GOAL_RATIO = 1.5;
const GOAL_DIFFERENCE_MS = 2;
const GOAL_P95_MS = 20;

/** A query of a dashboard. It filters by itself on what the policies would filter anyway: `$1`. */
interface Query {
  role: "user" | "host" | "partner" | "master" | "anon";
  asks: string;
  /** Column of `bench.visits` that `$1` is. */
  subject: "user_id" | "partner_id" | "event_id" | "event_slug";
  sql: string;
}

const PHOTO = "id, style_id, aspect_ratio, status, visibility, image_url, created_at";
const GALLERY_PHOTO = "event_id, event_slug, style_id, aspect_ratio, image_url, created_at";
const FIRST_PAGE = "order by created_at desc limit 24";

const photosOf = (column: string) =>
  `select ${PHOTO} from public.generations where ${column} = $1 ${FIRST_PAGE}`;
const galleryOf = (column: string) =>
  `select ${GALLERY_PHOTO} from public.event_gallery where ${column} = $1 ${FIRST_PAGE}`;
const PHOTOS_A_DAY = `
  select created_at::date as day, count(*) from public.generations
  where event_id = $1 group by day order by day`;
const EVENTS = `
  select id, event_name, event_slug, credits_allocated, credits_used, made.photos
  from public.events
  left join lateral (
    select count(*) as photos from public.generations where generations.event_id = events.id
  ) as made on true
  where partner_id = $1 ${FIRST_PAGE}`;
const CLIENTS = "select count(*) from public.clients where partner_id = $1";

const queries: Query[] = [
  { role: "user", asks: "own photos", subject: "user_id", sql: photosOf("user_id") },
  { role: "anon", asks: "gallery by slug", subject: "event_slug", sql: galleryOf("event_slug") },
  { role: "anon", asks: "gallery by id", subject: "event_id", sql: galleryOf("event_id") },
  ...(["partner", "host", "master"] as const).flatMap((role): Query[] => [
    { role, asks: "photos", subject: "event_id", sql: photosOf("event_id") },
    { role, asks: "photos a day", subject: "event_id", sql: PHOTOS_A_DAY },
  ]),
  { role: "partner", asks: "events", subject: "partner_id", sql: EVENTS },
  { role: "partner", asks: "clients", subject: "partner_id", sql: CLIENTS },
];

/** Figures of one query: what the server took to plan and run it, in milliseconds. */
export interface AccessRow {
  rls_p50_ms: number;
  owner_p50_ms: number;
  difference_ms: number;
  ratio: number;
  goal_p50_ms: number;
  rls_p95_ms: number;
  owner_p95_ms: number;
  goal_p95_ms: number;
  /** Plans of either side that read all photos; the goal is none. */
  sequential_scans: number;
  is_met: boolean;
}

export interface AccessResult {
  about: Record<string, string | number>;
  figures: Record<string, AccessRow>;
}

/**
 * Compares the queries of the dashboards as people make them, through row level security, with the same
 * queries made by the owner of the tables, whom no policy concerns, among a million photos. Each is
 * asked about events, partners and people of the usual size, and then about the ten biggest ("hot").
 * Throws when the two sides get different answers.
 */
export async function benchAccess(): Promise<AccessResult> {
  return await withDatabase(async (config) => {
    const about = await fill(config);
    const sql = await connect(config, "postgres");
    const figures: Record<string, AccessRow> = {};
    for (const query of queries) {
      const name = `${query.role}: ${query.asks}`;
      figures[name] = await compare(sql, query, false);
      figures[`${name}, hot`] = await compare(sql, query, true);
    }
    await sql.end({ timeout: 1 });
    return { about, figures };
  });
}

async function fill(config: StackConfig): Promise<AccessResult["about"]> {
  const superuser = await connect(config, "supabase_admin");
  const began = performance.now();
  const text = await Deno.readTextFile(new URL("./access.sql", import.meta.url));
  await superuser.unsafe(text).simple();
  await superuser`vacuum analyze`;
  const seconds = Math.round((performance.now() - began) / 1000);
  const [database] = await superuser`
    select current_setting('server_version') as postgres,
      current_setting('shared_buffers') as shared_buffers,
      pg_size_pretty(pg_database_size(current_database())) as size,
      (select count(*)::integer from partners) as partners,
      (select count(*)::integer from events) as events,
      (select count(*)::integer from generations) as generations,
      (select count(*)::integer from private.gallery_photos) as gallery_photos`;
  await superuser.end({ timeout: 1 });
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    ...database,
    fill_seconds: seconds,
    repetitions: REPETITIONS,
  };
}

interface Visit {
  /** Null: nobody is signed in. */
  actor_id: string | null;
  subject: string;
}

/** Runs a query on both sides in turns, each of them first as often as the other. */
async function compare(sql: postgres.Sql, query: Query, isHot: boolean): Promise<AccessRow> {
  const visits = await sql<Visit[]>`
    select actor_id, ${sql(query.subject)} as subject from bench.visits
    where role = ${query.role} and is_hot = ${isHot}
    order by random() limit ${REPETITIONS}`;
  for (const visit of visits.slice(0, COMPARED)) {
    const seen = await ask(sql, visit, query.sql, true);
    const there = await ask(sql, visit, query.sql, false);
    if (there.length === 0 || JSON.stringify(seen) !== JSON.stringify(there)) {
      throw new Error(`${query.role} does not get all of: ${query.sql} (${visit.subject})`);
    }
  }
  const plans = { rls: [] as Plan[], owner: [] as Plan[] };
  for (let number = 0; number < REPETITIONS; number++) {
    const visit = visits[number % visits.length]!;
    const turns = number % 2 === 0 ? ["rls", "owner"] as const : ["owner", "rls"] as const;
    for (const side of turns) {
      const explain = `explain (analyze, timing off, format json) ${query.sql}`;
      const [answer] = await ask(sql, visit, explain, side === "rls");
      plans[side].push(answer!["QUERY PLAN"][0]);
    }
  }
  return row(plans.rls, plans.owner);
}

/** One request, in the transaction that PostgREST would make; the owner's without a change of role. */
async function ask(sql: postgres.Sql, visit: Visit, query: string, isBehindRls: boolean) {
  return await sql.begin(async (transaction) => {
    const role = visit.actor_id === null ? "anon" : "authenticated";
    const claims = JSON.stringify({ sub: visit.actor_id ?? undefined, role });
    await transaction`select set_config('request.jwt.claims', ${claims}, true)`;
    if (isBehindRls) await transaction`set local role ${transaction(role)}`;
    return await transaction.unsafe(query, [visit.subject]);
  });
}

/** What `explain (format json)` says, as far as it is read here. */
interface Plan {
  "Planning Time": number;
  "Execution Time": number;
  Plan: PlanNode;
}

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  Plans?: PlanNode[];
}

function row(rls: Plan[], owner: Plan[]): AccessRow {
  const [rlsTimes, ownerTimes] = [times(rls), times(owner)];
  const [rlsMedian, ownerMedian] = [median(rlsTimes), median(ownerTimes)];
  const goal = Math.max(ownerMedian * GOAL_RATIO, ownerMedian + GOAL_DIFFERENCE_MS);
  const rlsP95 = percentile(rlsTimes, 0.95);
  const scans = [...rls, ...owner].filter(({ Plan }) => readsAllPhotos(Plan)).length;
  return {
    rls_p50_ms: round(rlsMedian),
    owner_p50_ms: round(ownerMedian),
    difference_ms: round(rlsMedian - ownerMedian),
    ratio: round(rlsMedian / ownerMedian),
    goal_p50_ms: round(goal),
    rls_p95_ms: round(rlsP95),
    owner_p95_ms: round(percentile(ownerTimes, 0.95)),
    goal_p95_ms: GOAL_P95_MS,
    sequential_scans: scans,
    is_met: rlsMedian <= goal && rlsP95 < GOAL_P95_MS && scans === 0,
  };
}

function times(plans: Plan[]): number[] {
  return plans.map((plan) => plan["Planning Time"] + plan["Execution Time"])
    .toSorted((a, b) => a - b);
}

function readsAllPhotos(node: PlanNode): boolean {
  const isOfPhotos = ["generations", "gallery_photos"].includes(node["Relation Name"] ?? "");
  return (isOfPhotos && node["Node Type"] === "Seq Scan") ||
    (node.Plans ?? []).some(readsAllPhotos);
}
