import { parseArgs } from "node:util";
import { createClient } from "@supabase/supabase-js";
import QRCode from "qrcode";
import { takePhoto } from "../guest/main.ts";
import { type Cabina, createCabina, value } from "../client/cabina.ts";
import { accessToken } from "../shared/session.ts";
import { readStack } from "../shared/stack.ts";

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
  const project = { apiUrl: api_url, publishableKey: publishable_key };
  const supabase = createClient(api_url, publishable_key);
  const { error } = await supabase.auth.signInWithPassword(values);
  if (error !== null) throw error;
  const partner = createCabina({ ...project, userToken: () => accessToken(supabase) });

  const { event, pin } = await prepare(partner);
  await printQr(partner, event.event_slug);
  for (const style of STYLES) {
    await takePhoto(["--event", event.event_slug, "--style", style, "--no-save"]);
    console.log();
  }
  // Another device, that has nothing but the event's name and PIN.
  const slug = event.event_slug;
  const { token } = await value(
    createCabina(project).POST("/event-admin/events/{slug}/session", {
      params: { path: { slug } },
      body: { pin },
    }),
  );
  await moderate(createCabina({ ...project, hostToken: token }), slug);
  await close(partner, event);
}

async function prepare(partner: Cabina) {
  const { client } = await value(
    partner.POST("/event-admin/clients", { body: { name: "Familia Gómez" } }),
  );
  const today = new Date().toISOString().slice(0, 10);
  const { event } = await value(partner.POST("/event-admin/events", {
    body: {
      event_name: "Los 15 de Sofía",
      client_id: client.id,
      // From midnight to midnight in the event's own time zone.
      start_date: today,
      end_date: today,
      config: { timezone: "UTC", moderation: "before", gallery: "open" },
    },
  }));
  const params = { path: { id: event.id } };
  await value(partner.POST("/event-admin/events/{id}/credits", {
    params,
    body: { amount: CREDITS, idempotency_key: crypto.randomUUID() },
  }));
  // Of the server's making, since none is given.
  const { pin } = await value(partner.POST("/event-admin/events/{id}/pin", { params, body: {} }));
  console.log(
    `${event.event_name} of ${client.name}: ${CREDITS} credits, the host's PIN is ${pin}`,
  );
  return { event, pin: pin! };
}

/** The code that stands on the tables: whoever scans it is at the party. */
async function printQr(partner: Cabina, slug: string): Promise<void> {
  const { event } = await value(
    partner.GET("/event-admin/events/{id}", { params: { path: { id: slug } } }),
  );
  if (!("links" in event)) throw new Error(`There is no card of ${slug}`);
  console.log(`To print: ${event.links.qr_svg}\n\n${await QRCode.toString(event.links.guest)}`);
}

/** The host lets all photos be seen but the last. */
async function moderate(host: Cabina, slug: string): Promise<void> {
  const { photos } = await value(
    host.GET("/event-admin/host/photos", { params: { query: { visibility: "pending" } } }),
  );
  console.log(`The host sees ${photos.length} photos that wait for approval:`);
  for (const [index, { id, style_id }] of photos.entries()) {
    const visibility = index === 0 ? "hidden" : "visible";
    await value(host.PATCH("/event-admin/host/photos/{id}", {
      params: { path: { id } },
      body: { visibility },
    }));
    console.log(`  ${style_id.padEnd(8)} ${visibility}`);
  }
  const gallery = await value(
    host.GET("/event-admin/events/{slug}/gallery", { params: { path: { slug } } }),
  );
  console.log(`The gallery shows ${gallery.photos.length} of them.\n`);
}

async function close(partner: Cabina, event: { id: string; event_name: string }): Promise<void> {
  const { returned_credits } = await value(
    partner.POST("/event-admin/events/{id}/close", { params: { path: { id: event.id } } }),
  );
  console.log(`${event.event_name} is closed; ${returned_credits} credits came back.`);
  const { wallet, movements } = await value(
    partner.GET("/event-admin/wallet", { params: { query: { limit: 2 } } }),
  );
  for (const { kind, amount, balance } of movements.toReversed()) {
    console.log(`  ${kind.padEnd(12)} ${String(amount).padStart(6)}   balance ${balance}`);
  }
  console.log(`${wallet.credits_left} credits left, ${wallet.credits_consumed} consumed so far.`);
}
