// What became of photos, keys and selfies, beside what was to come of them.
import sharp from "sharp";
import { callFunction, sql } from "../stack.ts";
import type { KeyHealth } from "./fault_case.ts";

/** What a photo came to: for the guest, for the event's credits, and at the provider. */
export interface Outcome {
  ends: string;
  /** Credits that the photo cost, by its own row and by its event's. */
  charged: [number, number];
  isRefunded: boolean;
  /** The check shows the guest a picture that can be fetched. */
  hasPicture: boolean;
}

/** What came of photos. */
export async function outcomes(photos: string[]): Promise<Map<string, Outcome>> {
  const rows = await sql`
    select generations.id, status, error_code, credits_charged, credits_used, refunded_at is not null as is_refunded
    from generations join events on events.id = event_id
    where generations.id = any (${photos})`;
  return new Map(
    await Promise.all(rows.map(async (row): Promise<[string, Outcome]> => [row.id, {
      ends: row.status === "failed" ? row.error_code : row.status,
      charged: [row.credits_charged, row.credits_used],
      isRefunded: row.is_refunded,
      hasPicture: await hasPicture(row.id),
    }])),
  );
}

/** Whether a guest sees a real picture. */
async function hasPicture(generationId: string): Promise<boolean> {
  const { body } = await callFunction("cabina-vision", {
    action: "check",
    generation_id: generationId,
  });
  if (body.state !== "success") return false;
  const response = await fetch(body.image_url);
  const { width } = await sharp(await response.bytes()).metadata();
  return response.ok && width > 0;
}

/** How the keys of accounts are. */
export async function keyHealth(accounts: Iterable<string>): Promise<Map<string, KeyHealth>> {
  const rows = await sql`
    select account_name, suspended_at, is_active, failure_count from api_key_pool
    where account_name = any (${[...accounts]})`;
  return new Map(rows.map(({ account_name, suspended_at, failure_count }) => [
    account_name,
    suspended_at !== null ? "suspended" : failure_count > 0 ? "cooling" : "ready",
  ]));
}

/** Whether nothing is under way any more: no try that is open, no key that rests, no file to remove. */
export async function isSettled(photos: string[], accounts: Iterable<string>): Promise<boolean> {
  const [row] = await sql`
    select
      (
        select count(*)::integer from private.generation_attempts
        where generation_id = any (${photos}) and status in ('claimed', 'submitted')
      ) as open_attempts,
      (
        select count(*)::integer from api_key_pool
        where account_name = any (${[...accounts]})
          and (not is_active or cooldown_until > now())
      ) as resting_keys,
      (
        select count(*)::integer from storage.objects
        join generations on photo_path = objects.name
        where bucket_id = 'user_photos' and generations.id = any (${photos})
      ) as selfies`;
  return row!.open_attempts === 0 && row!.resting_keys === 0 && row!.selfies === 0;
}

/** Alerts about keys of accounts that nobody has resolved. */
export async function openAlerts(accounts: Iterable<string>): Promise<number> {
  const [row] = await sql`
    select count(*)::integer as open from private.alerts
    join api_key_pool on subject in (account_name, api_key_pool.id::text)
    where account_name = any (${[...accounts]}) and resolved_at is null`;
  return row!.open;
}
