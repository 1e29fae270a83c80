import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant, slug } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import {
  configInput,
  email,
  event,
  eventDate,
  type EventRow,
  phase,
  styleIds,
  words,
} from "./event_fields.ts";

const eventSlug = slug.describe("Public name in links and QR codes; unique on the platform");

/** What lists of what was created are sorted by. */
export const createdKey = z.tuple([instant, id]);

/** Fields of an event that may be given at first and changed later. */
const fields = {
  client_id: id.nullish().describe("A client of the same partner"),
  client_name: words(200).nullish(),
  client_email: email.nullish(),
  selected_styles: styleIds.optional().describe("Style ids; empty: every style on offer"),
  start_date: eventDate.nullish(),
  end_date: eventDate.nullish(),
};

export const listEvents = route({
  method: "get",
  path: "/events",
  credential: "account",
  summary: "A page of the partner's events, the newest first; a master's of all.",
  query: z.strictObject({
    ...pageQuery,
    partner_id: id.optional().describe("For masters: events of this partner"),
    client_id: id.optional(),
    phase: phase.optional(),
    q: words(100).optional().describe("Part of the name or slug"),
  }),
  answer: z.object({ events: z.array(event), next_cursor: nextCursor }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, query }) {
    const before = readCursor(query.cursor, createdKey);
    const rows = await rpc<EventRow[]>("list_events", {
      p_actor_id: actor,
      p_partner_id: query.partner_id ?? null,
      p_client_id: query.client_id ?? null,
      p_phase: query.phase ?? null,
      p_q: query.q ?? null,
      p_before: before?.[0] ?? null,
      p_before_id: before?.[1] ?? null,
      p_limit: query.limit + 1,
    });
    const { page, next_cursor } = cutPage(rows, query.limit, (row) => [row.created_at, row.id]);
    return { events: page, next_cursor };
  },
});

export const createEvent = route({
  method: "post",
  path: "/events",
  credential: "account",
  summary: "Creates an event, without credits.",
  description: "Without `event_slug` it gets one made of its name. Dates are read in " +
    "`config.timezone`.",
  body: z.strictObject({
    ...fields,
    partner_id: id.optional().describe("For masters: whose event; absent: the platform's own"),
    event_name: words(200),
    event_slug: eventSlug.optional(),
    config: configInput.optional(),
    pin: z.string().optional().describe("6 to 8 digits with which the host enters"),
  }),
  answer: z.object({ event }),
  status: [201],
  errors: ["FORBIDDEN", "NOT_FOUND", "SLUG_TAKEN"],
  async handle({ actor, body: { partner_id, pin, ...draft } }) {
    const row = await rpc<EventRow>("create_event", {
      p_actor_id: actor,
      p_partner_id: partner_id ?? null,
      p_body: draft,
      p_pin: pin ?? null,
    });
    return { event: row };
  },
});

export const getEvent = route({
  method: "get",
  path: `/events/${ID}`,
  credential: "account",
  summary: "An event, for its partner or a master.",
  params: idParams,
  answer: z.object({ event }),
  errors: ["EVENT_NOT_FOUND"],
  async handle({ actor, params }) {
    return {
      event: await rpc<EventRow>("get_event", { p_actor_id: actor, p_event_id: params.id }),
    };
  },
});

export const patchEvent = route({
  method: "patch",
  path: `/events/${ID}`,
  credential: "account",
  summary: "Changes what the body names of an event; null clears.",
  description:
    "`config` is merged key by key, `limits` too. A new time zone alone moves no date. A new " +
    "slug makes printed QR codes worthless. Of a closed event only names, looks, gallery and moderation " +
    "may change, or it is EVENT_ENDED.",
  params: idParams,
  body: z.strictObject({
    ...fields,
    event_name: words(200).optional(),
    event_slug: eventSlug.optional(),
    config: configInput.optional(),
    is_active: z.boolean().optional().describe("false pauses the event"),
  }),
  answer: z.object({ event }),
  errors: ["EVENT_NOT_FOUND", "EVENT_ENDED", "NOT_FOUND", "SLUG_TAKEN"],
  async handle({ actor, params, body }) {
    const row = await rpc<EventRow>("update_event", {
      p_actor_id: actor,
      p_event_id: params.id,
      p_changes: body,
    });
    return { event: row };
  },
});

export const deleteEvent = route({
  method: "delete",
  path: `/events/${ID}`,
  credential: "account",
  summary: "Deletes an event that was never used; its credits go back to the partner.",
  description: "One that was used is CONFLICT: close it, its photos and history stay.",
  params: idParams,
  answer: z.object({ deleted: z.literal(true) }),
  errors: ["EVENT_NOT_FOUND", "CONFLICT"],
  async handle({ actor, params }) {
    await rpc("delete_event", { p_actor_id: actor, p_event_id: params.id });
    return { deleted: true as const };
  },
});

export const duplicateEvent = route({
  method: "post",
  path: `/events/${ID}/duplicate`,
  credential: "account",
  summary: "Another event with the settings, styles and client of this one.",
  description: "It has no credits, no PIN, a key of its own, and no dates but those given.",
  params: idParams,
  body: z.strictObject({
    event_name: words(200).optional().describe("Absent: the same"),
    event_slug: eventSlug.optional(),
    start_date: eventDate.nullish(),
    end_date: eventDate.nullish(),
  }),
  answer: z.object({ event }),
  status: [201],
  errors: ["EVENT_NOT_FOUND", "SLUG_TAKEN"],
  async handle({ actor, params, body }) {
    const row = await rpc<EventRow>("duplicate_event", {
      p_actor_id: actor,
      p_event_id: params.id,
      p_changes: body,
    });
    return { event: row };
  },
});

export const eventRoutes = [
  listEvents,
  createEvent,
  getEvent,
  patchEvent,
  deleteEvent,
  duplicateEvent,
];
