import { z } from "zod";
import { inBackground } from "../../_shared/http.ts";
import { rpc } from "../../_shared/database.ts";
import { publicUrl } from "../../_shared/env.ts";
import { instant, slug } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import { guestUrl } from "../links.ts";

export const slugParams = z.strictObject({ slug });
/** What stands on a table's printed code. */
export const tableLabel = z.string().regex(/^[A-Za-z0-9_-]{1,20}$/, "1 to 20 of A-Z a-z 0-9 _ -");

const card = z.object({
  event_name: z.string(),
  event_slug: slug,
  phase: z.enum(["upcoming", "active", "sold_out", "paused", "ended"]),
  start_date: instant.nullable(),
  end_date: instant.nullable(),
  local_start: z.string().nullable().describe("start_date as a clock in timezone shows it"),
  local_end: z.string().nullable(),
  timezone: z.string(),
  access: z.enum(["link", "key"]).describe("key: guests need the k of the printed QR"),
  branding: z.object({
    logo_url: z.string().nullable(),
    primary_color: z.string().nullable(),
    radius: z.string().nullable(),
    welcome_text: z.string().nullable(),
    show_welcome_screen: z.boolean(),
  }).describe("The event's word over its client's over its partner's; null: nobody has one"),
  styles: z.array(z.object({
    id: z.string(),
    label: z.string(),
    category: z.string(),
    pack: z.string(),
    tags: z.array(z.string()),
    image_url: z.string().nullable(),
  })).describe("What guests may choose, in order"),
  is_gallery_open: z.boolean(),
  links: z.object({
    guest: z.url().describe("What the QR code says"),
    gallery: z.url(),
    qr_svg: z.url(),
    qr_png: z.url(),
  }),
});

interface CardRow extends Omit<z.input<typeof card>, "links"> {
  event_slug: string;
}

export const getCard = route({
  method: "get",
  path: "/events/:slug",
  credential: "anyone",
  summary: "The public card of an event: all that a guest's page needs before the first photo.",
  description: "Times are given as instants and as they read in the event's own time zone. " +
    "`t` is the label of the table whose QR code the guest scanned; it is counted.",
  params: slugParams,
  query: z.strictObject({ t: tableLabel.optional() }),
  answer: z.object({ event: card }),
  errors: ["EVENT_NOT_FOUND"],
  cacheSeconds: 15,
  async handle({ params, query }) {
    if (query.t !== undefined) {
      inBackground(rpc("count_table_scan", { p_event_slug: params.slug, p_label: query.t }));
    }
    const [row] = await rpc<[CardRow]>("get_event_card", { p_event_slug: params.slug });
    const address = `${publicUrl()}/functions/v1/event-admin/events/${row.event_slug}`;
    const links = {
      guest: guestUrl(row.event_slug),
      gallery: `${address}/gallery`,
      qr_svg: `${address}/qr.svg`,
      qr_png: `${address}/qr.png`,
    };
    return { event: { ...row, links } };
  },
});

const galleryPhoto = z.object({
  style_id: z.string(),
  aspect_ratio: z.string(),
  image_url: z.url(),
  created_at: instant,
});

/** What the gallery is sorted by. */
const galleryKey = z.tuple([instant, z.string()]);

export const getGallery = route({
  method: "get",
  path: "/events/:slug/gallery",
  credential: "anyone",
  summary: "A page of an event's gallery, the newest photo first; empty while it is closed.",
  params: slugParams,
  query: z.strictObject(pageQuery),
  answer: z.object({ photos: z.array(galleryPhoto), next_cursor: nextCursor }),
  errors: ["EVENT_NOT_FOUND"],
  cacheSeconds: 5,
  async handle({ params, query }) {
    const before = readCursor(query.cursor, galleryKey);
    const rows = await rpc<z.input<typeof galleryPhoto>[]>("list_gallery", {
      p_event_slug: params.slug,
      p_before: before?.[0] ?? null,
      p_before_url: before?.[1] ?? null,
      p_limit: query.limit + 1,
    });
    const { page, next_cursor } = cutPage(
      rows,
      query.limit,
      (photo) => [photo.created_at, photo.image_url],
    );
    return { photos: page, next_cursor };
  },
});
