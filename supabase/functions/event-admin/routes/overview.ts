import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { id, instant, slug } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import {
  dayCounts,
  hourCounts,
  latency,
  photoCounts,
  photosNow,
  providerMoney,
  styleCounts,
} from "../figures.ts";
import { phase, timezone } from "./event_fields.ts";

const { made, succeeded } = photoCounts;

const wallet = z.object({
  credits_total: z.int().describe("Ever bought or granted"),
  credits_used: z.int().describe("Held by events, or consumed"),
  credits_left: z.int().describe("What can be given to events"),
  credits_consumed: z.int().describe(
    "Photos that events made and were not refunded",
  ),
  debt: z.int(),
  runs_out_at: instant.nullable().describe(
    "When wallet and events together are empty at the pace of the last four weeks; null without " +
      "photos, or beyond ten years",
  ),
});

const creditFlow = z.object({
  sold: z.int(),
  granted: z.int().describe(
    "Given otherwise: bonuses, rewards, grants and corrections of staff",
  ),
  consumed: z.int(),
});

const platform = z.object({
  credits: z.object({ users: creditFlow, partners: creditFlow }).describe(
    "Moved in the span, without what was taken back; those of events are partners'. Users' credits " +
      "are another unit",
  ),
  users: z.object({ total: z.int(), new: z.int(), made, succeeded }),
  partners: z.object({
    total: z.int(),
    active: z.int().describe("The others wait for approval or are suspended"),
  }),
  top_partners: z.array(z.object({
    partner_id: id,
    name: z.string(),
    made,
    succeeded,
    credits_left: z.int(),
  })).describe("By pictures, at most ten"),
  open_alerts: z.int(),
  api_keys: z.object({
    total: z.int(),
    active: z.int(),
    cooling_down: z.int().describe(
      "Of active: the provider asked for patience",
    ),
    failing: z.int().describe("Of active: the last task was refused"),
  }),
});

const overview = z.object({
  partner_id: id.nullable().describe("null: the platform"),
  from: z.iso.date(),
  to: z.iso.date().describe("The last day, today unless told"),
  timezone: z.string(),
  counted_at: instant,
  photos: photosNow,
  latency,
  days: z.array(dayCounts).describe("Every day of the span, in order"),
  hours_today: z.array(hourCounts).describe(
    "Hours of today in which something happened, in order",
  ),
  top_styles: z.array(styleCounts).describe("By pictures, at most ten"),
  top_events: z.array(z.object({
    event_id: id,
    event_name: z.string(),
    event_slug: slug,
    phase,
    made,
    succeeded,
    credits_allocated: z.int(),
    credits_used: z.int(),
  })).describe("By pictures in the span, at most ten"),
  clients: z.object({ total: z.int(), active: z.int() }),
  events: z.object({
    total: z.int(),
    upcoming: z.int(),
    active: z.int(),
    sold_out: z.int(),
    paused: z.int(),
    ended: z.int(),
  }).describe("All of them, by phase"),
  money: z.object({
    revenue: z.array(z.object({
      currency: z.string(),
      amount: z.number(),
      days: z.array(z.object({ day: z.iso.date(), amount: z.number() })),
    })).describe(
      "What was paid for credits in the span, without what was taken back in it",
    ),
    ...providerMoney,
  }),
  wallet: wallet.nullable().describe("Of a partner"),
  platform: platform.nullable().describe("Of the platform"),
});

export const getOverview = route({
  method: "get",
  path: "/overview",
  credential: "account",
  summary: "The numbers of a partner, or of the whole platform, for a span of days.",
  description:
    "A partner gets its own; a master those of the platform, or of the partner named. Photos, " +
    "guests and credits are counted by whole hours of UTC: where clocks differ from it by a part of " +
    "an hour, a day begins with the first whole hour in it. What the provider costs, and so the " +
    "margin, only masters see.",
  query: z.strictObject({
    partner_id: id.optional().describe("For masters"),
    from: z.iso.date().optional().describe("The first day; not beside days"),
    to: z.iso.date().optional().describe(
      "The last day, at most 365 after the first; default today",
    ),
    days: z.coerce.number().int().min(1).max(366).optional().describe(
      "Default 30",
    ),
    timezone: timezone.default("America/Argentina/Buenos_Aires"),
  }),
  answer: z.object({ overview }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, query }) {
    const row = await rpc<z.input<typeof overview>>("get_overview", {
      p_actor_id: actor,
      p_partner_id: query.partner_id ?? null,
      p_from: query.from ?? null,
      p_to: query.to ?? null,
      p_days: query.days ?? null,
      p_timezone: query.timezone,
    });
    return { overview: row };
  },
});
