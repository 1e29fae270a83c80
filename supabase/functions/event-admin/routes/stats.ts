import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import {
  dayCounts,
  hourCounts,
  latency,
  photosNow,
  providerMoney,
  styleCounts,
} from "../figures.ts";
import { phase } from "./event_fields.ts";
import { hostArguments, hosted, hostErrors } from "./host_event.ts";

const hostStats = z.object({
  event_id: id,
  event_name: z.string(),
  phase,
  timezone: z.string(),
  counted_at: instant,
  photos: photosNow,
  latency,
  credits_allocated: z.int(),
  credits_used: z.int(),
  credits_left: z.int(),
  runs_out_at: instant.nullable().describe(
    "When the credits end at the pace of the last hour; null while nobody makes photos, and unless " +
      "the event is running",
  ),
  moderation: z.object({
    visible: z.int(),
    pending: z.int(),
    hidden: z.int(),
    deleted: z.int(),
  }).describe("What became of the pictures; each is counted once"),
  days: z.array(dayCounts).describe(
    "Days in timezone on which something happened, in order",
  ),
  hours: z.array(hourCounts).describe(
    "The last 168 hours in which something happened, in order",
  ),
  styles: z.array(styleCounts).describe("The most successful first"),
  tables: z.array(z.object({
    label: z.string(),
    scans: z.int(),
    last_at: instant,
  })).describe("QR codes with a table's label, the most scanned first"),
});

const stats = hostStats.extend({
  money: z.object({
    revenue: z.number().nullable().describe(
      "credits_used at the average that the partner paid for a credit; null when it never ordered " +
        "any, or in several currencies",
    ),
    currency: z.string().nullable(),
    ...providerMoney,
  }),
});

export const getEventStats = route({
  method: "get",
  path: `/events/${ID}/stats`,
  credential: "account",
  summary: "The numbers of an event, for its staff.",
  description: "What the provider costs, and so the margin, only masters see.",
  params: idParams,
  answer: z.object({ stats }),
  errors: ["EVENT_NOT_FOUND"],
  async handle({ actor, params }) {
    return {
      stats: await rpc<z.input<typeof stats>>("get_event_stats", {
        p_actor_id: actor,
        p_event_id: params.id,
      }),
    };
  },
});

export const getHostStats = route({
  ...hosted,
  method: "get",
  path: "/host/stats",
  summary: "The numbers of the host's event.",
  answer: z.object({ stats: hostStats }),
  errors: [...hostErrors],
  async handle({ actor, query }) {
    return {
      stats: await rpc<z.input<typeof hostStats>>(
        "get_host_stats",
        hostArguments(actor, query),
      ),
    };
  },
});

export const statsRoutes = [getEventStats, getHostStats];
