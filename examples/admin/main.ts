import { parseArgs } from "node:util";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import QRCode from "qrcode";
import { takePhoto } from "../guest/main.ts";
import { call, get } from "../shared/call.ts";
import { readStack } from "../shared/stack.ts";

interface Event {
  id: string;
  event_name: string;
  event_slug: string;
  credits_left: number;
}

interface Photo {
  id: string;
  style_id: string;
  visibility: "visible" | "pending" | "hidden";
  image_url: string;
}

interface Movement {
  id: number;
  kind: string;
  amount: number;
  balance: number;
  event_name: string | null;
}

/** The styles that the evening's guests choose. */
const STYLES = ["pb_a", "jhonw_c", "f1_a"];
const CREDITS = 10;

/**
 * A partner's evening: a client, an event with credits and PIN, the QR code for the tables, guests, a host
 * who moderates, the end and the statement. `[--email partner@cabina.test] [--password cabina-demo]`.
 */
export async function runEvening(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      email: { type: "string", default: "partner@cabina.test" },
      password: { type: "string", default: "cabina-demo" },
    },
  });
  const { api_url, publishable_key } = await readStack();
  const partner = createClient(api_url, publishable_key);
  const { error } = await partner.auth.signInWithPassword(values);
  if (error !== null) throw error;

  const { event, pin } = await prepare(partner);
  await printQr(partner, event.event_slug);
  for (const style of STYLES) {
    await takePhoto(["--event", event.event_slug, "--style", style, "--no-save"]);
    console.log();
  }
  // Another device, that has nothing but the event's name and PIN.
  await moderate(createClient(api_url, publishable_key), event.event_slug, pin);
  await close(partner, event);
}

async function prepare(partner: SupabaseClient): Promise<{ event: Event; pin: string }> {
  const { client } = await call<{ client: { id: string; name: string } }>(
    partner,
    "event-admin/clients",
    { name: "Familia Gómez" },
  );
  const [today] = new Date().toISOString().split("T");
  const { event } = await call<{ event: Event }>(partner, "event-admin/events", {
    event_name: "Los 15 de Sofía",
    client_id: client.id,
    // From midnight to midnight in the event's own time zone.
    start_date: today,
    end_date: today,
    config: { timezone: "UTC", moderation: "before", gallery: "open" },
  });
  const path = `event-admin/events/${event.id}`;
  await call(partner, `${path}/credits`, {
    amount: CREDITS,
    idempotency_key: crypto.randomUUID(),
  });
  const { pin } = await call<{ pin: string }>(partner, `${path}/pin`, {});
  console.log(
    `${event.event_name} of ${client.name}: ${CREDITS} credits, the host's PIN is ${pin}`,
  );
  return { event, pin };
}

/** The code that stands on the tables: whoever scans it is at the party. */
async function printQr(partner: SupabaseClient, slug: string): Promise<void> {
  const { event: { links } } = await get<{ event: { links: Record<string, string> } }>(
    partner,
    `event-admin/events/${slug}`,
  );
  console.log(`To print: ${links.qr_svg}\n\n${await QRCode.toString(links.guest!)}`);
}

/** The host lets all photos be seen but the last. */
async function moderate(host: SupabaseClient, slug: string, pin: string): Promise<void> {
  const { token } = await call<{ token: string }>(
    host,
    `event-admin/events/${slug}/session`,
    { pin },
  );
  const headers = { "x-host-token": token };
  const { photos } = await get<{ photos: Photo[] }>(
    host,
    "event-admin/host/photos?visibility=pending",
    headers,
  );
  console.log(`The host sees ${photos.length} photos that wait for approval:`);
  for (const [index, { id, style_id }] of photos.entries()) {
    const visibility = index === 0 ? "hidden" : "visible";
    await call(host, `event-admin/host/photos/${id}`, { visibility }, { method: "PATCH", headers });
    console.log(`  ${style_id.padEnd(8)} ${visibility}`);
  }
  const gallery = await get<{ photos: Photo[] }>(host, `event-admin/events/${slug}/gallery`);
  console.log(`The gallery shows ${gallery.photos.length} of them.\n`);
}

async function close(partner: SupabaseClient, { id, event_name }: Event): Promise<void> {
  const { returned_credits } = await call<{ returned_credits: number }>(
    partner,
    `event-admin/events/${id}/close`,
    {},
  );
  console.log(`${event_name} is closed; ${returned_credits} credits came back.`);
  const { wallet, movements } = await get<{
    wallet: { credits_left: number; credits_consumed: number };
    movements: Movement[];
  }>(partner, "event-admin/wallet?limit=2");
  for (const { kind, amount, balance } of movements.toReversed()) {
    console.log(`  ${kind.padEnd(12)} ${String(amount).padStart(6)}   balance ${balance}`);
  }
  console.log(`${wallet.credits_left} credits left, ${wallet.credits_consumed} consumed so far.`);
}
