import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { route, type RouteInput } from "../../_shared/route.ts";
import { guestUrl } from "../links.ts";
import { slugParams, tableLabel } from "./card.ts";

/** Error correction H: nearly a third of the code may be covered, by a logo or a spilt drink. */
const OPTIONS = { errorCorrectionLevel: "H", margin: 4 } as const;

/** Loaded by the first request that needs it: it would take a tenth of every cold start. */
const loadEncoder = async () => (await import("qrcode")).default;

const shared = {
  method: "get",
  credential: "visitor",
  description:
    "Encodes `{CABINA_APP_URL}/?event={slug}`, with `&t=` for a table's label. Asked for " +
    "with the credential of the event's staff or host, it carries the event's key as well, if guests need it.",
  params: slugParams,
  errors: ["EVENT_NOT_FOUND", "UNAUTHENTICATED"],
} as const;

export const getQrSvg = route({
  ...shared,
  path: "/events/:slug/qr.svg",
  summary: "The event's QR code as SVG, for print at any size.",
  query: z.strictObject({ t: tableLabel.optional() }),
  produces: ["image/svg+xml"],
  errors: [...shared.errors],
  async handle(input) {
    const { address, headers } = await guestAddress(input);
    const encoder = await loadEncoder();
    const svg = await encoder.toString(address, { ...OPTIONS, type: "svg" });
    return new Response(svg, { headers: { ...headers, "content-type": "image/svg+xml" } });
  },
});

export const getQrPng = route({
  ...shared,
  path: "/events/:slug/qr.png",
  summary: "The event's QR code as PNG.",
  query: z.strictObject({
    t: tableLabel.optional(),
    size: z.coerce.number().int().min(128).max(2048).default(1024).describe("Pixels a side"),
  }),
  produces: ["image/png"],
  errors: [...shared.errors],
  async handle(input) {
    const { address, headers } = await guestAddress(input);
    const encoder = await loadEncoder();
    const png = await encoder.toBuffer(address, { ...OPTIONS, width: input.query.size });
    return new Response(new Uint8Array(png), {
      headers: { ...headers, "content-type": "image/png" },
    });
  },
});

/** Where the code takes guests, and how long others may keep the picture. */
async function guestAddress(
  { actor, params, query }: Pick<
    RouteInput<"visitor", typeof slugParams, typeof labelQuery, undefined>,
    "actor" | "params" | "query"
  >,
) {
  const key = await rpc<string | null>("get_event_key", {
    p_actor_id: actor.userId,
    p_token: actor.token,
    p_event_slug: params.slug,
  });
  const address = guestUrl(params.slug, { key: key ?? undefined, label: query.t });
  const headers = {
    "cache-control": key === null ? "public, max-age=300" : "private, no-store",
    // The same address shows the key to staff: a cache must not hand that to anybody.
    vary: "authorization, x-host-token",
  };
  return { address, headers };
}

const labelQuery = z.strictObject({ t: tableLabel.optional() });
