import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, idParams } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { guestUrl } from "../links.ts";

export const setPin = route({
  method: "post",
  path: `/events/${ID}/pin`,
  credential: "account",
  summary: "Sets, makes or removes the PIN with which the host enters.",
  description:
    "Every session of the old PIN ends. Only a hash is kept: a PIN that was made is in " +
    "this answer and nowhere else.",
  params: idParams,
  body: z.strictObject({
    pin: z.string().nullish().describe("6 to 8 digits; null: none; absent: one is made"),
  }),
  answer: z.object({
    has_pin: z.boolean(),
    pin: z.string().nullable().describe("The PIN that was made; null when none was"),
  }),
  errors: ["EVENT_NOT_FOUND"],
  async handle({ actor, params, body }) {
    const made = body.pin === undefined ? await makePin() : null;
    const pin = made ?? body.pin ?? null;
    await rpc("set_event_pin", {
      p_actor_id: actor,
      p_event_id: params.id,
      p_pin: pin,
    });
    return { has_pin: pin !== null, pin: made };
  },
});

async function makePin(): Promise<string> {
  // Loads slowly, and PINs are not what a process starts for.
  const { randomInt } = await import("node:crypto");
  return String(randomInt(1_000_000)).padStart(6, "0");
}

export const rotateKey = route({
  method: "post",
  path: `/events/${ID}/key`,
  credential: "account",
  summary: "Gives the event a new access key.",
  description: "Printed QR codes with the old key stop working at once where `config.access` is " +
    "`key`. The key is shown here and in the QR code that staff and host fetch, nowhere else.",
  params: idParams,
  answer: z.object({
    access_key: z.string(),
    guest_url: z.url().describe("Where guests enter with the key"),
  }),
  errors: ["EVENT_NOT_FOUND"],
  async handle({ actor, params }) {
    const [row] = await rpc<[{ access_key: string; event_slug: string }]>(
      "rotate_event_key",
      {
        p_actor_id: actor,
        p_event_id: params.id,
      },
    );
    return {
      access_key: row.access_key,
      guest_url: guestUrl(row.event_slug, { key: row.access_key }),
    };
  },
});

export const eventEntryRoutes = [setPin, rotateKey];
