import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { id, instant, slug } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { publicBucketUrl } from "../../_shared/storage.ts";
import { configInput, phase, styleIds, words } from "./event_fields.ts";
import { logoDescription, logoRequest, logoUpload, offerLogoUpload } from "./logo.ts";

/** Which event, and what every route of a host may refuse. */
export const hosted = {
  credential: "host",
  query: z.strictObject({
    event: slug.optional().describe(
      "Needed when the account hosts several, and by staff",
    ),
  }),
} as const;
export const hostErrors = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "EVENT_NOT_FOUND",
  "EVENT_PAUSED",
] as const;

/** The arguments by which the database finds out for which event a host acts. */
export function hostArguments(
  actor: { userId: string | null; token: string | null },
  { event }: { event?: string | undefined },
) {
  return {
    p_actor_id: actor.userId,
    p_token: actor.token,
    p_event_slug: event ?? null,
  };
}

const hostEvent = z.object({
  id,
  client_id: id.nullable(),
  event_name: z.string(),
  event_slug: slug,
  client_name: z.string().nullable(),
  phase,
  start_date: instant.nullable(),
  end_date: instant.nullable(),
  local_start: z.string().nullable().describe(
    "start_date as a clock in timezone shows it",
  ),
  local_end: z.string().nullable(),
  timezone: z.string(),
  is_active: z.boolean().describe("false: paused"),
  closed_at: instant.nullable(),
  created_at: instant,
  credits_allocated: z.int().describe("Photos paid for"),
  credits_used: z.int(),
  credits_left: z.int(),
  gallery: z.enum(["during", "open", "closed"]),
  is_gallery_open: z.boolean(),
  moderation: z.enum(["off", "before"]),
  access: z.enum(["link", "key"]),
  welcome_text: z.string().nullable(),
  show_welcome_screen: z.boolean(),
  logo_url: z.string().nullable().describe(
    "The event's own; what guests see is in branding",
  ),
  primary_color: z.string().nullable(),
  branding: z.object({
    logo_url: z.string().nullish(),
    primary_color: z.string().nullish(),
    radius: z.string().nullish(),
  }).describe(
    "What guests see: the event's word over the client's over the partner's",
  ),
  selected_styles: z.array(z.string()).describe(
    "What guests may choose from; empty: all of styles",
  ),
  styles: z.array(z.object({
    id: z.string(),
    label: z.string(),
    pack: z.string(),
    image_url: z.string().nullable(),
  })).describe("What the event may offer"),
});
type HostEventRow = z.input<typeof hostEvent>;

export const getHostEvent = route({
  ...hosted,
  method: "get",
  path: "/host/event",
  summary: "The host's event.",
  answer: z.object({ event: hostEvent }),
  errors: [...hostErrors],
  async handle({ actor, query }) {
    return {
      event: await rpc<HostEventRow>(
        "get_host_event",
        hostArguments(actor, query),
      ),
    };
  },
});

const {
  gallery,
  moderation,
  welcome_text,
  show_welcome_screen,
  logo_url,
  primary_color,
} = configInput.shape;

export const patchHostEvent = route({
  ...hosted,
  method: "patch",
  path: "/host/event",
  summary:
    "Changes what the body names of the event; null goes back to what the client or partner says.",
  description:
    "Dates, credits, access and limits are the partner's. A closed event keeps its styles.",
  body: z.strictObject({
    event_name: words(200).optional(),
    selected_styles: styleIds.optional().describe(
      "Of those in styles; empty: all of them",
    ),
    gallery,
    moderation,
    welcome_text,
    show_welcome_screen,
    logo_url: logo_url.describe(
      "An address that host/logo-url gave, `?v=` and anything behind it",
    ),
    primary_color,
  }),
  answer: z.object({ event: hostEvent }),
  errors: [...hostErrors, "EVENT_ENDED"],
  async handle(
    { actor, query, body: { event_name, selected_styles, ...config } },
  ) {
    const event = await rpc<HostEventRow>("update_host_event", {
      ...hostArguments(actor, query),
      p_changes: { event_name, selected_styles, config },
      p_assets_url: publicBucketUrl("event_assets"),
    });
    return { event };
  },
});

export const postHostLogo = route({
  ...hosted,
  method: "post",
  path: "/host/logo-url",
  summary: "An address to upload the event's logo to; an earlier one is replaced.",
  description: logoDescription,
  body: logoRequest,
  answer: logoUpload,
  errors: [...hostErrors],
  async handle({ actor, query }) {
    return await offerLogoUpload(
      await rpc<string>("issue_event_logo", hostArguments(actor, query)),
    );
  },
});

export const hostEventRoutes = [getHostEvent, patchHostEvent, postHostLogo];
