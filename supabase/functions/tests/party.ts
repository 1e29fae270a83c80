// An evening at full load: hundreds of guests within seconds, a provider with all its bad habits, a second
// event that must not suffer. The test plays it, the bench measures it.
import { createEvent } from "./fixtures.ts";
import { changeProvider } from "./provider_simulator.ts";
import { callFunction, controlProvider, sql, stack } from "./stack.ts";

/** New ones for each party: the simulator counts from an account's first request. */
const night = crypto.randomUUID().slice(0, 8);
const ACCOUNTS = [1, 2, 3, 4].map((number) => `party-${night}-${number}`);
/** The provider's price of a picture, in its credits. */
const PRICE = 8;
/** Tasks an account takes in one of its windows. */
const SLOTS = 20;

export interface PartyOptions {
  /** Real time for time: 0.25 is four times as fast. Arrivals, the provider and all deadlines share it. */
  scale: number;
  guests: number;
  credits: number;
  guestsOfSecondEvent: number;
  /** A selfie of one guest, as the body of a generate request names it, or why it was refused. */
  selfie: (
    eventSlug: string,
  ) => Promise<{ user_photo: string } | { photo_path: string } | { error: string }>;
}

/** What a guest went home with. */
export interface Guest {
  event: "first" | "second";
  generationId: string | null;
  outcome: string;
  statuses: number[];
  seconds: number;
}

export interface Party {
  first: { id: string; slug: string };
  second: { id: string; slug: string };
  guests: Guest[];
  /** From the first guest's request until the last photo was accepted. */
  acceptedPerSecond: number;
  /** While a photo waited: what accounts that could pay offered and what of it was used. */
  slots: { used: number; offered: number };
  requests: { rejected_429: number; queries_rejected_429: number };
}

/** Plays the evening to its end. Settings, keys and the provider are as before afterwards. */
export async function playParty(options: PartyOptions): Promise<Party> {
  const { scale } = options;
  const first = await createEvent({ credits: options.credits });
  const second = await createEvent({ credits: options.guestsOfSecondEvent });
  const restore = await prepare(options);
  const slots = watchSlots();
  try {
    const began = performance.now();
    const accepted: number[] = [];
    const guest = async (event: Guest["event"], arrival: number): Promise<Guest> => {
      await pause(arrival * scale);
      const slug = event === "first" ? first.slug : second.slug;
      return await visit(event, slug, options.selfie, () => accepted.push(performance.now()));
    };
    const guests = await Promise.all([
      ...arrivals(options.guests, 0, 10_000).map((at) => guest("first", at)),
      ...arrivals(options.guestsOfSecondEvent, 5_000, 1_000).map((at) => guest("second", at)),
    ]);
    const { used, offered, stats } = await slots.stop();
    return {
      first,
      second,
      guests,
      acceptedPerSecond: accepted.length / ((Math.max(...accepted) - began) / 1000),
      slots: { used, offered },
      requests: {
        rejected_429: sum(stats, "rejected_429"),
        queries_rejected_429: sum(stats, "queries_rejected_429"),
      },
    };
  } finally {
    await slots.stop();
    await restore();
  }
}

/** A guest takes a selfie, asks for the photo, and waits for it as a thin client does. */
async function visit(
  event: Guest["event"],
  slug: string,
  takeSelfie: PartyOptions["selfie"],
  accept: () => void,
): Promise<Guest> {
  const arrived = performance.now();
  const statuses: number[] = [];
  const call = async (body: Record<string, unknown>) => {
    const answer = await callFunction("cabina-vision", body);
    statuses.push(answer.status);
    return answer;
  };
  const done = (outcome: string, generationId: string | null): Guest => {
    const seconds = (performance.now() - arrived) / 1000;
    return { event, generationId, outcome, statuses, seconds };
  };
  const selfie = await takeSelfie(slug);
  if ("error" in selfie) return done(selfie.error, null);
  let { status, body } = await call({
    ...selfie,
    model_id: "pb_a",
    event_slug: slug,
    guest_id: crypto.randomUUID(),
    idempotency_key: crypto.randomUUID(),
  });
  if (status !== 202) return done(body.error, null);
  accept();
  const id: string = body.generation_id;
  while (body.state !== "success" && body.state !== "fail") {
    ({ status, body } = await call({ action: "check", generation_id: id, wait: 20 }));
    if (status !== 200) return done(`check answered ${status}`, id);
  }
  return done(body.state === "success" ? "picture" : body.error, id);
}

/** Instants at which guests come, spread evenly. */
function arrivals(count: number, from: number, spread: number): number[] {
  return Array.from({ length: count }, (_, i) => from + spread * i / count);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Four accounts, one of which can pay for half of its share only; a provider in a bad mood; scaled times. */
async function prepare({ scale, credits, guestsOfSecondEvent }: PartyOptions) {
  const [before] = await sql`
    select provider_window_seconds, dispatch_seconds, delivery_seconds, lost_answer_seconds, retry_seconds,
      cooldown_seconds
    from private.settings`;
  const scaled = Object.fromEntries(
    Object.entries(before!).map(([name, seconds]) => [name, Number(seconds) * scale]),
  );
  await sql`update private.settings set ${sql(scaled)} where is_singleton`;
  const others = await sql`
    update api_key_pool set is_active = false where is_active returning id`;
  await sql`
    insert into api_key_pool ${
    sql(ACCOUNTS.map((name) => ({ api_key: `sim-${name}:key`, account_name: name })))
  }`;
  await controlProvider({
    scale,
    latency: { kind: "uniform", min_ms: 8_000, max_ms: 30_000 },
    fail: { fail_code: "500", rate: 0.05 },
    callbacks: { when: "never", rate: 0.05 },
    long_edge: 256,
  });
  const share = (credits + guestsOfSecondEvent) / ACCOUNTS.length;
  await changeProvider(stack.sim_url, {
    account: ACCOUNTS[0]!,
    balance: Math.floor(share / 2) * PRICE,
  });
  for (const name of ACCOUNTS.slice(1)) {
    await changeProvider(stack.sim_url, { account: name, balance: 100_000 });
  }

  return async () => {
    await sql`update private.settings set ${sql(before as never)} where is_singleton`;
    await sql`delete from api_key_pool where account_name = any (${ACCOUNTS})`;
    await sql`update api_key_pool set is_active = true where id = any (${
      others.map(({ id }) => id)
    })`;
    await sql`update private.alerts set resolved_at = now() where subject = any (${ACCOUNTS})`;
    await controlProvider();
  };
}

interface AccountStats {
  balance: number;
  rejected_429: number;
  queries_rejected_429: number;
  /** Tasks of each window since the first request. */
  slots: { windows: number[] };
}

async function readStats(): Promise<Record<string, AccountStats>> {
  const { accounts } = await (await fetch(`${stack.sim_url}/kie/_stats`)).json();
  return Object.fromEntries(ACCOUNTS.map((name) => [name, accounts[name]]));
}

function sum(stats: Record<string, AccountStats>, name: "rejected_429" | "queries_rejected_429") {
  return Object.values(stats).reduce((total, account) => total + (account?.[name] ?? 0), 0);
}

/**
 * Follows the simulator's count of slots for as long as photos wait: from the moment when more have come than one
 * window takes until all of those are dispatched. What is retried later waits for no slot.
 */
function watchSlots() {
  let isOver = false;
  let before: Record<string, AccountStats> = {};
  let whileWaiting: Record<string, AccountStats> = {};
  const watching = (async () => {
    let hasBacklog = false;
    while (!isOver) {
      const [row] = await sql`
        select count(*)::integer as waiting from generations where status = 'queued' and run_at <= now()`;
      if (!hasBacklog && row!.waiting > SLOTS * ACCOUNTS.length) {
        hasBacklog = true;
        before = await readStats();
      }
      if (hasBacklog) whileWaiting = await readStats();
      if (hasBacklog && row!.waiting === 0) return;
      await pause(50);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await watching;
      const slots = Object.entries(whileWaiting).map(([name, after]) =>
        slotsOf(before[name], after)
      );
      return {
        used: slots.reduce((total, { used }) => total + used, 0),
        offered: slots.reduce((total, { offered }) => total + offered, 0),
        stats: await readStats(),
      };
    },
  };
}

/**
 * What an account offered and what of it was used while photos waited: in whole windows since that began. The last
 * one offered what was left to be dispatched, and an account that cannot pay for more what it gave.
 */
function slotsOf(before: AccountStats | undefined, { balance, slots }: AccountStats) {
  const windows = slots.windows.slice(before?.slots.windows.length ?? 0);
  const used = windows.reduce((total, of) => total + of, 0);
  const offered = (windows.length - 1) * SLOTS + (windows.at(-1) ?? SLOTS);
  return { used, offered: balance < PRICE ? used : offered };
}

/**
 * How far each photo of the second event was overtaken: photos of the first that were dispatched while it
 * waited, less those of its own event. Turns about, that is one at most.
 */
export async function overtakings({ first, second }: Party): Promise<number[]> {
  const claims = await sql`
    select event_id, generation_id, claimed_at, created_at
    from private.generation_attempts join generations on generations.id = generation_id
    where event_id in (${first.id}, ${second.id})
    order by generation_attempts.id`;
  return claims.flatMap(({ event_id, generation_id, created_at }, i) => {
    if (event_id !== second.id) return [];
    const isFirstTry = claims.findIndex((claim) => claim.generation_id === generation_id) === i;
    if (!isFirstTry) return [];
    // A photo that was begun a moment ago may not have been there for a claim that was under way.
    const since = created_at.getTime() + 200;
    const meanwhile = claims.slice(0, i).filter(({ claimed_at }) => claimed_at.getTime() > since);
    const ofOthers = meanwhile.filter((claim) => claim.event_id === first.id).length;
    return [ofOthers - (meanwhile.length - ofOthers)];
  });
}
