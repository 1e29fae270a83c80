// Photos, and everybody who looks after them until they are over.
import assert from "node:assert/strict";
import { createEvent } from "../fixtures.ts";
import { guestRequest, makePhoto, toDataUrl } from "../photos.ts";
import { callFunction, eventually, sql, sweep } from "../stack.ts";
import type { Batch } from "./fault_case.ts";

const selfie = toDataUrl(await makePhoto(48, 64));
/** Sweeps that run at the same moment, at most, and how often one begins. */
const SWEEPS = { most: 6, everyMs: 150 };

/** Begins photos, each at an event of its own, so that none waits for the second try of another. */
export async function beginPhotos(count: number): Promise<string[]> {
  return await Promise.all(Array.from({ length: count }, async () => {
    const { slug } = await createEvent({ credits: 1 });
    const request = await guestRequest(slug, { user_photo: selfie });
    const { status, body } = await callFunction("cabina-vision", request);
    assert.equal(status, 202, JSON.stringify(body));
    return body.generation_id as string;
  }));
}

/** Whoever looks after photos, in the manner of a batch, whenever a test waits for something. */
export interface Keepers {
  /** Works until `isTrue`. */
  until(what: string, isTrue: () => Promise<boolean>): Promise<void>;
  /** Waits for what was begun. @throws when a sweep or a poll was not answered as it should */
  stop(): Promise<void>;
}

/** Begins to look after photos; those of the accounts `told` only when a callback says so. */
export function lookAfter(
  photos: string[],
  batch: Pick<Batch, "lookedAfterBy" | "isLongSubmitted">,
  told: string[] = [],
): Keepers {
  const sweeps = new Set<Promise<void>>();
  const polls = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  let sweptAt = 0;
  const noteFailure = (error: unknown) => void failures.push(error);

  function work(): void {
    if (sweeps.size < SWEEPS.most && Date.now() - sweptAt >= SWEEPS.everyMs) {
      sweptAt = Date.now();
      const one: Promise<void> = sweepOnce().catch(noteFailure).finally(() => sweeps.delete(one));
      sweeps.add(one);
    }
    if (batch.lookedAfterBy !== "guests") return;
    for (const id of photos.filter((id) => !polls.has(id))) {
      polls.set(id, poll(id).catch(noteFailure));
    }
  }

  /** As if the time for the next look had come, except at accounts whose callbacks have to be enough, and at copies. */
  async function passTime(): Promise<void> {
    await sql`
      update private.generation_attempts
      set next_check_at = case when account = any (${told}) then 'infinity' else now() end,
        submitted_at = case when ${
      batch.isLongSubmitted ?? false
    } then now() - interval '1 minute' else submitted_at end
      where id in (
        select id from private.generation_attempts
        where generation_id = any (${photos}) and status = 'submitted' and copying_until is null
        -- Sweeps lock several as well, in no order.
        for no key update skip locked
      )`;
  }

  return {
    until: (what, isTrue) =>
      eventually(what, async () => {
        if (failures.length > 0) throw failures[0];
        await passTime();
        work();
        return await isTrue();
      }).then(() => {}),
    async stop() {
      await Promise.all([...sweeps, ...polls.values()]);
      if (failures.length > 0) throw failures[0];
    },
  };
}

async function sweepOnce(): Promise<void> {
  const { status, body } = await sweep();
  assert.equal(status, 200, JSON.stringify(body));
}

/** A guest who waits for a photo and asks until it is over. */
async function poll(id: string): Promise<void> {
  let state = "waiting";
  while (state === "waiting" || state === "processing") {
    const request = { action: "check", generation_id: id, wait: 2 };
    const { status, body } = await callFunction("cabina-vision", request);
    assert.equal(status, 200, JSON.stringify(body));
    state = body.state;
  }
}

/** The photo whose first try each account got. */
export async function firstTries(photos: string[]): Promise<Map<string, string>> {
  const rows = await sql`
    select account, generation_id from private.generation_attempts
    where generation_id = any (${photos}) and attempt = 1`;
  return new Map(rows.map(({ account, generation_id }) => [account, generation_id]));
}

/** Whether photos are all over. */
export async function areOver(photos: string[]): Promise<boolean> {
  const [row] = await sql`
    select count(*)::integer as unfinished from generations
    where id = any (${photos}) and status in ('queued', 'processing')`;
  return row!.unfinished === 0;
}
