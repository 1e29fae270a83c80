// A stack of a test's own, whose processes may die, and guests who do not give up.
import assert from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import type { CrashPoint } from "../_shared/crash_point.ts";
import {
  eventually,
  isolatedEnvironment,
  startTestStack,
  type TestStack,
} from "../../../scripts/stack/testing.ts";
import { changeProvider, countTasks } from "../tests/provider_simulator.ts";
import { guestRequest, makePhoto, toDataUrl } from "../tests/photos.ts";

/** Minutes of waiting for what died, as parts of a second. */
const TIMES = { lost_answer_seconds: 1, retry_seconds: 0.05, cooldown_seconds: 0.1 };
const EVENT = "quince-sofia-2024";
const selfie = toDataUrl(await makePhoto(96, 128));

/** What a guest met on the way to a photo: its end, and the status of every answer. */
export interface GuestPhoto {
  id: string;
  email: string;
  state: string;
  statuses: number[];
}

/** The parts of the stack that crash tests need. */
export class Crashable {
  readonly apiUrl: string;
  readonly #crashFile: string;

  constructor(readonly stack: TestStack, readonly sql: Sql, crashFile: string) {
    this.apiUrl = stack.info.api_url;
    this.#crashFile = crashFile;
  }

  /** Has the process die at a point. Returns a function that waits until it has. */
  async dieAt(point: CrashPoint): Promise<() => Promise<void>> {
    const deaths = () => this.stack.log().split("[cabina-vision] process").length;
    const before = deaths();
    await Deno.writeTextFile(this.#crashFile, point);
    return async () => {
      await eventually(`the death at ${point}`, async () => {
        await this.#passTime();
        return deaths() > before;
      });
    };
  }

  /** Waits until the function answers again, from another process. */
  async isBack(): Promise<void> {
    await eventually("another process", async () => {
      const response = await fetch(`${this.apiUrl}/functions/v1/cabina-vision/health`);
      await response.body?.cancel();
      return response.status !== 502;
    }, 10);
  }

  /** A guest makes a photo: asks again, with the same key, whenever nobody answered, until it is over. */
  async makePhoto(): Promise<GuestPhoto> {
    const statuses: number[] = [];
    const ask = async (request: unknown) => {
      while (true) {
        const response = await fetch(`${this.apiUrl}/functions/v1/cabina-vision`, {
          method: "POST",
          headers: {
            apikey: this.stack.info.publishable_key,
            "content-type": "application/json",
          },
          body: JSON.stringify(request),
        });
        const body = await response.json();
        statuses.push(response.status);
        if (response.ok) return body;
        assert.equal(response.status, 502, JSON.stringify(body));
      }
    };
    const idempotency_key = crypto.randomUUID();
    const email = `${idempotency_key}@guest.test`;
    const request = await guestRequest(EVENT, { user_photo: selfie, idempotency_key, email });
    const { generation_id: id } = await ask(request);
    const state = await eventually(`the end of ${id}`, async () => {
      await this.#passTime();
      const body = await ask({ action: "check", generation_id: id, wait: 1 });
      return ["success", "fail"].includes(body.state) && body.state as string;
    });
    return { id, email, state, statuses };
  }

  /**
   * As if the time for the next look had come, and that for files and messages that somebody died over. What is being
   * worked on is passed by: many guests call this at once, and take locks in no order.
   */
  async #passTime(): Promise<void> {
    const { sql } = this;
    await sql`
      update private.generation_attempts set next_check_at = now()
      where id in (
        select id from private.generation_attempts where status = 'submitted' for no key update skip locked
      )`;
    await sql`
      update private.file_tasks set run_at = now()
      where id in (select id from private.file_tasks where tries > 0 for no key update skip locked)`;
    await sql`
      update private.outbox set run_at = now()
      where id in (
        select id from private.outbox where tries > 0 and recipient is not null for no key update skip locked
      )`;
  }

  /**
   * Each photo is there, paid and told of once; nothing is left over, and no key is out of work. Each of the deaths may
   * have cost a photo one task more, whose creation nobody noted.
   */
  async assertSound(guests: GuestPhoto[], deaths = 1): Promise<void> {
    const { sql } = this;
    const photos = guests.map(({ id }) => id);
    const rows = await sql`
      select id, status, credits_charged, image_url,
        (select count(*)::integer from storage.objects where bucket_id = 'generations' and name = result_path) as pictures,
        (
          select count(*)::integer from private.generation_attempts
          where generation_id = generations.id and generation_attempts.status = 'succeeded'
        ) as successes
      from generations where id = any (${photos})`;
    assert.equal(rows.length, photos.length);
    const tasks = await countTasks(this.stack.info.sim_url);
    for (const { id, image_url, ...row } of rows) {
      assert.deepEqual(row, { status: "succeeded", credits_charged: 1, pictures: 1, successes: 1 });
      assert.ok(tasks.get(id)! <= 1 + deaths, `the provider made ${tasks.get(id)} tasks`);
      const picture = await fetch(image_url);
      assert.equal(picture.headers.get("content-type"), "image/png");
      assert.ok((await picture.bytes()).length > 0);
    }

    await eventually(
      "the end of every try and message, and the removal of every selfie",
      async () => {
        await this.#passTime();
        // As if a day had passed for a selfie whose photo was never begun.
        await sql`
        update storage.objects set created_at = now() - interval '1 day'
        where bucket_id = 'user_photos' and name not in (select photo_path from generations where photo_path is not null)`;
        const [left] = await sql`
        select
          (select count(*)::integer from storage.objects where bucket_id = 'user_photos') as selfies,
          (select count(*)::integer from private.file_tasks) as file_tasks,
          (select count(*)::integer from private.outbox where recipient is not null) as contacts,
          (
            select count(*)::integer from private.generation_attempts where status in ('claimed', 'submitted')
          ) as attempts,
          (
            select count(*)::integer from api_key_pool where not is_active or cooldown_until > now()
          ) as keys`;
        return Object.values(left!).every((count) => count === 0);
      },
    );

    for (const { email } of guests) {
      const response = await fetch(
        `${this.stack.info.sim_url}/mail?to=${encodeURIComponent(email)}`,
      );
      assert.equal((await response.json()).mails.length, 1, "one message");
    }

    const [{ uncounted }] = await sql`
      select credits_used - (
        select count(*)::integer from generations
        where event_id = events.id and status = 'succeeded' and refunded_at is null
      ) as uncounted
      from events where event_slug = ${EVENT}` as [{ uncounted: number }];
    assert.equal(uncounted, 0, "credits of the event without a picture");
    assert.deepEqual([...await sql`select * from credit_audit()`], []);
  }

  async stop(): Promise<void> {
    await this.sql.end();
    await this.stack.stop();
    await Deno.remove(this.stack.dataDir, { recursive: true });
  }
}

/** Starts a stack whose functions die where `dieAt` says. */
export async function startCrashable(): Promise<Crashable> {
  const env = await isolatedEnvironment();
  // The one folder that a function may write to.
  const crashFile = `${env.CABINA_DATA_DIR}/functions-temp/crash`;
  const stack = await startTestStack({
    ...env,
    CABINA_SWEEP_SECONDS: "1",
    CABINA_RECONCILE_SECONDS: "0",
    CABINA_CRASH_FILE: crashFile,
  });
  const sql = postgres(stack.info.db_url, { max: 2, onnotice: () => {} });
  await sql`update private.settings set ${sql(TIMES)} where is_singleton`;
  // Pictures that come in several pieces.
  await changeProvider(stack.info.sim_url, { scale: 0.1, long_edge: 512 });
  return new Crashable(stack, sql, crashFile);
}
