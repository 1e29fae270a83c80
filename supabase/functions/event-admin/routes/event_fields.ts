import { z } from "zod";
import { id, instant, pictureUrl, slug } from "../../_shared/fields.ts";

/** Words that people write, without blanks around them. */
export const words = (max: number) => z.string().trim().min(1).max(max);

/** An address of a person. */
export const email = z.email().max(254);

/** Ids of styles, never names of packs; the database knows which exist. */
export const styleIds = z.array(z.string().min(1).max(64)).max(500);

const color = z.string().regex(
  /^#[0-9a-fA-F]{6}$/,
  "a colour is written #rrggbb",
);

/** Where an event stands, for its guests. */
export const phase = z.enum([
  "upcoming",
  "active",
  "sold_out",
  "paused",
  "ended",
]);

/** One day, a time on a clock of the event's time zone, or an instant. */
export const eventDate = z.string().regex(
  /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?$/,
  "a date is written 2026-11-20, 2026-11-20T21:00 or 2026-11-20T21:00:00-03:00",
).describe(
  "A date (2026-11-20), a time on a clock of the event's time zone (2026-11-20T21:00) or an instant " +
    "(2026-11-20T21:00:00-03:00). A date as start is the midnight that begins the day, as end the " +
    "one that ends it.",
);

/** A name of the IANA database; the database knows which exist. */
export const timezone = z.string().max(64).regex(
  /^(?:Etc\/GMT[+-]\d{1,2}|[A-Za-z_]+(?:[/-][A-Za-z_]+)*)$/,
  "a time zone is written like America/Argentina/Buenos_Aires",
);
const limit = z.int().min(0).max(1_000_000).nullish();

/** Settings of an event as a request gives them: null goes back to the default. */
export const configInput = z.strictObject({
  timezone: timezone.nullish().describe(
    "Default America/Argentina/Buenos_Aires",
  ),
  gallery: z.enum(["during", "open", "closed"]).nullish()
    .describe("during (default): until the event ends; open: also afterwards"),
  moderation: z.enum(["off", "before"]).nullish()
    .describe("before: photos wait for the host's approval; default off"),
  access: z.enum(["link", "key"]).nullish()
    .describe("key: guests need the k of the printed QR code; default link"),
  limits: z.strictObject({
    per_guest: limit.describe("Photos of one guest; default 10"),
    per_address_minute: limit.describe(
      "Photos from one address in a minute; default off",
    ),
    per_hour: limit.describe("Photos of the event in an hour; default off"),
  }).nullish(),
  welcome_text: words(1000).nullish(),
  show_welcome_screen: z.boolean().nullish(),
  logo_url: pictureUrl.nullish(),
  primary_color: color.nullish(),
});

/** What stands in a row: as it was given, or by another way. */
const config = z.looseObject({}).describe(
  "As given; what is not there has its default",
);

/** What a partner's or client's white label may hold. */
export const whiteLabel = {
  logo_url: pictureUrl.nullish(),
  primary_color: color.nullish(),
  radius: z.string().regex(/^\d{1,3}px$/, "a radius is written 8px").nullish(),
};

/** An event as its staff sees it. The PIN's hash and the access key are not part of it. */
export const event = z.object({
  id,
  partner_id: id.nullable().describe("null: the platform's own"),
  client_id: id.nullable(),
  event_name: z.string(),
  event_slug: slug,
  client_name: z.string().nullable(),
  client_email: z.string().nullable(),
  has_pin: z.boolean(),
  credits_allocated: z.int(),
  credits_used: z.int(),
  credits_left: z.int(),
  selected_styles: z.array(z.string()).describe(
    "Empty: every style that the client contracted",
  ),
  config,
  phase,
  start_date: instant.nullable().describe(
    "First instant for guests' photos; null: no bound",
  ),
  end_date: instant.nullable().describe(
    "First instant without; null: no bound",
  ),
  local_start: z.string().nullable().describe(
    "start_date as a clock in the time zone shows it",
  ),
  local_end: z.string().nullable(),
  is_active: z.boolean().describe("false: paused"),
  is_partner_active: z.boolean(),
  is_client_active: z.boolean(),
  closed_at: instant.nullable(),
  created_at: instant,
  updated_at: instant,
});

/** An event as the database gives it. */
export type EventRow = z.input<typeof event>;
