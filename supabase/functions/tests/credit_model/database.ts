import postgres from "postgres";
import type { Command } from "./commands.ts";
import { EVENT_PARTNERS, type Holder, ORDERS, type Outcome, PARTNERS, USERS } from "./world.ts";

const STYLES = ["credit_model_a", "credit_model_gold"];
const PACK = "Credit Model Gold";

type Result = { result: number | boolean | null };

/** Makes the styles that photos of every world ask for: a plain one and a premium one. */
export async function createStyles(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into styles_metadata (id, label, category, subcategory, credit_cost, is_premium)
    values (${STYLES[0]!}, 'A', 'model', 'Model', 100, false), (${STYLES[
    1
  ]!}, 'Gold', 'model', ${PACK}, 250, true)
    on conflict (id) do nothing`;
  await sql`
    insert into identity_prompts (id, master_prompt) select unnest(${STYLES}::text[]), 'Portrait of a plain model of the rules' on conflict (id) do nothing`;
}

/** One world in the database, and how commands are given there: by the functions that everybody uses. */
export class CreditDatabase {
  readonly #run = crypto.randomUUID();
  readonly #users = Array.from({ length: USERS }, () => crypto.randomUUID());
  readonly #partners = Array.from({ length: PARTNERS }, () => crypto.randomUUID());
  readonly #events = EVENT_PARTNERS.map(() => crypto.randomUUID());
  readonly #orders = ORDERS.map(() => crypto.randomUUID());
  readonly #movements: string[] = [];
  readonly #photos: string[] = [];

  private constructor(readonly sql: postgres.Sql) {}

  static async create(sql: postgres.Sql): Promise<CreditDatabase> {
    const world = new CreditDatabase(sql);
    const [referrer, ...referred] = world.#users;
    const buyers = ORDERS.map(({ buyer }) =>
      world.#users[buyer.account === "user" ? buyer.index : 0]!
    );
    const customers = ORDERS.map(({ buyer }) =>
      buyer.account === "partner" ? world.#partners[buyer.index]! : null
    );
    await Promise.all([
      sql`
        insert into auth.users (id, email)
        select id, id || '@model.example' from unnest(${world.#users}::uuid[]) as id`,
      sql`update profiles set referred_by = ${referrer!} where id = any (${referred}::uuid[])`,
      sql`insert into partners (id, name) select id, 'Model' from unnest(${world.#partners}::uuid[]) as id`,
      sql`
        insert into events (id, partner_id, event_name, event_slug)
        select id, partner_id, 'Model', 'model-' || id
        from unnest(${world.#events}::uuid[], ${world.#ownersOfEvents()}::uuid[]) as given (id, partner_id)`,
      sql`
        insert into payment_orders (id, user_id, partner_id, pack_id, credits, amount, currency)
        select given.id, given.user_id, given.partner_id, (select id from credit_packs limit 1), given.credits, 1, 'ARS'
        from unnest(
          ${world.#orders}::uuid[], ${buyers}::uuid[], ${customers}::uuid[], ${
        ORDERS.map(({ credits }) => credits)
      }::integer[]
        ) as given (id, user_id, partner_id, credits)`,
    ]);
    return world;
  }

  /** Gives a command and tells what came of it. */
  async perform(command: Command): Promise<Outcome> {
    try {
      return await this.#perform(command);
    } catch (error) {
      if (!(error instanceof postgres.PostgresError) || !error.code.startsWith("PT")) throw error;
      const { code, balance, needed, debt } = JSON.parse(error.detail ?? "{}");
      return JSON.parse(JSON.stringify({ code, balance, needed, debt }));
    }
  }

  /** Ends the photos that are left, so that the queue is as short for whoever comes after. */
  async emptyQueue(): Promise<void> {
    await this.sql`
      select fail_generation(id, 'GENERATION_TIMED_OUT') from generations
      where id = any (${this.#photos}::uuid[]) and status in ('queued', 'processing')`;
  }

  /** Every balance, as CreditModel.balances() tells it. */
  async balances(): Promise<unknown> {
    const [row] = await this.sql`
      select
        (select jsonb_agg(
           case when profiles.id is not null then jsonb_build_array(profiles.credits, private.debt_of('user', profiles.id)) end
           order by place)
         from unnest(${this.#users}::uuid[]) with ordinality as given (id, place)
         left join profiles using (id)) as users,
        (select jsonb_agg(
           jsonb_build_array(partners.credits_total, partners.credits_used, private.debt_of('partner', partners.id))
           order by place)
         from unnest(${this.#partners}::uuid[]) with ordinality as given (id, place)
         join partners using (id)) as partners,
        (select jsonb_agg(
           case when events.id is not null
             then jsonb_build_array(events.credits_allocated, events.credits_used, events.closed_at is not null) end
           order by place)
         from unnest(${this.#events}::uuid[]) with ordinality as given (id, place)
         left join events using (id)) as events`;
    return { ...row };
  }

  async #perform(command: Command): Promise<Result> {
    const { sql } = this;
    switch (command.do) {
      case "confirm":
        await sql`
          update auth.users set email_confirmed_at = now()
          where id = ${this.#users[command.user]!} and email_confirmed_at is null`;
        return { result: null };
      case "unlock":
        // One transaction, to whose end the claims belong.
        await sql.unsafe(`
          select set_config('request.jwt.claims', '{"sub": "${this.#users[command.user]}"}', true);
          select public.unlock_style_pack('${PACK}');`).simple();
        return { result: null };
      case "erase":
        await sql`delete from auth.users where id = ${this.#users[command.user]!}`;
        return { result: null };
      case "grant":
        return this.#movement(sql`
          select id from private.grant_credits(
            ${command.holder.account}, ${
          this.#holder(command.holder)
        }, ${command.amount}, 'model', ${this.#key(command)})`);
      case "adjust":
        return this.#movement(sql`
          select id from private.adjust_credits(
            ${command.holder.account}, ${
          this.#holder(command.holder)
        }, ${command.amount}, 'model', ${this.#key(command)})`);
      case "allocate":
        return this.#movement(sql`
          select id from private.allocate_event_credits(
            ${this.#events[command.event]!}, ${command.amount}, ${this.#key(command)})`);
      case "transfer":
        return this.#movement(sql`
          select id from private.transfer_event_credits(
            ${this.#events[command.from]!}, ${this.#events[command.to]!}, ${command.amount}, ${
          this.#key(command)
        })`);
      case "close":
        await sql`select private.close_event(${this.#events[command.event]!})`;
        return { result: null };
      case "delete":
        await sql`select private.delete_event(${this.#events[command.event]!})`;
        return { result: null };
      case "switch":
        await sql`update partners set is_active = ${command.isActive} where id = ${this
          .#partners[command.partner]!}`;
        return { result: null };
      case "increment": {
        const [row] = await sql`
          select increment_event_credit(${this
          .#events[command.event]!}, ${command.amount}) as is_charged`;
        return { result: row!.is_charged };
      }
      case "beginForEvent":
        return this.#photo(sql`
          select generation_id as id from begin_generation(
            ${STYLES[command.style]!}, '3:4', null, 'model', p_event_id => ${this
          .#events[command.event]!},
            p_guest_id => ${command.key === null ? null : `guest_model_${command.key}`},
            p_idempotency_key => ${this.#key(command)})`);
      case "beginForUser":
        return this.#photo(sql`
          select generation_id as id from begin_generation(
            ${STYLES[command.style]!}, '3:4', null, 'model', p_user_id => ${this
          .#users[command.user]!},
            p_idempotency_key => ${this.#key(command)})`);
      case "fail":
        await sql`
          select fail_generation(id, 'GENERATION_FAILED') from generations
          where id = ${this.#photos[command.photo] ?? null}`;
        return { result: null };
      case "complete":
        await sql`
          with attempt as (
            insert into private.generation_attempts (
              generation_id, attempt, account, token_hash, model, prompt_version
            )
            select id, 1 + (select count(*) from private.generation_attempts where generation_id = generations.id),
              'model', '', 'model', 1
            from generations where id = ${this.#photos[command.photo] ?? null}
            returning id
          )
          select id from attempt`.then(([attempt]) =>
          attempt && sql`
            select complete_generation(
              ${attempt.id}, ${`model:${attempt.id}`}, 'generations_private', null, null, null)`
        );
        return { result: null };
      case "purchase":
        return this.#movement(sql`
          select id from private.purchase_credits(${this.#orders[command.order]!}, ${
          this.#payment(command.payment)
        })`);
      case "reverse": {
        const [row] = await sql`
          select private.reverse_purchase(${
          this.#payment(command.payment)
        }, ${command.taken}) as taken`;
        return { result: row!.taken };
      }
    }
  }

  async #movement(query: postgres.PendingQuery<postgres.Row[]>): Promise<Result> {
    return { result: numberOf((await query)[0]!.id, this.#movements) };
  }

  async #photo(query: postgres.PendingQuery<postgres.Row[]>): Promise<Result> {
    return { result: numberOf((await query)[0]!.id, this.#photos) };
  }

  #holder({ account, index }: Holder): string {
    return (account === "user" ? this.#users : this.#partners)[index]!;
  }

  #key({ key }: { key: number | null }): string | null {
    return key === null ? null : `${this.#run}:${key}`;
  }

  #payment(index: number): string {
    return `${this.#run}:${index}`;
  }

  #ownersOfEvents(): (string | null)[] {
    return EVENT_PARTNERS.map((index) => index === null ? null : this.#partners[index]!);
  }
}

/** The place of a row among those that were answered so far: a new one comes last. */
function numberOf(id: string, seen: string[]): number {
  const place = seen.indexOf(id);
  return place >= 0 ? place : seen.push(id) - 1;
}
