import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { publicUrl } from "../../_shared/env.ts";
import { instant } from "../../_shared/fields.ts";
import { describeError, log } from "../../_shared/log.ts";
import { type DownloadCredential, route } from "../../_shared/route.ts";
import type { ExportPhoto } from "../export/manifest.ts";
import { openPart } from "../export/part.ts";
import { hostArguments, hosted, hostErrors } from "./host_event.ts";

const exportQuery = hosted.query.extend({
  visibility: z.enum(["visible", "all"]).default("visible")
    .describe("all: also photos that are hidden or wait for approval"),
  ticket: z.string().optional().describe(
    "From host/tickets, in place of other credentials",
  ),
});

/** The arguments by which the database finds out what is exported and who asks. */
function exportArguments(
  actor: DownloadCredential,
  query: z.output<typeof exportQuery>,
) {
  return {
    ...hostArguments(actor, query),
    p_ticket: actor.ticket,
    p_visibility: query.visibility,
  };
}

interface ExportRow {
  event_slug: string;
  photos: number;
  bytes: number;
  parts: { part: number; photos: number; bytes: number }[];
}

export const getExport = route({
  method: "get",
  path: "/host/export",
  credential: "download",
  summary: "All pictures of the event, and the parts in which they can be downloaded.",
  description: "A part has at most 200 photos and 250 MB. Parts keep their numbers and their " +
    "photos: new ones come behind, and hidden or deleted ones leave a gap.",
  query: exportQuery,
  answer: z.object({
    photos: z.int(),
    bytes: z.int().describe("Of the pictures, without the archive around them"),
    parts: z.array(z.object({
      part: z.int(),
      photos: z.int(),
      bytes: z.int(),
      url: z.url().describe(
        "Wants the same credential, or a ticket added to it",
      ),
    })).describe("Those that have something to export"),
  }),
  errors: [...hostErrors],
  async handle({ actor, query }) {
    const row = await rpc<ExportRow>(
      "get_export",
      exportArguments(actor, query),
    );
    const parts = row.parts.map((part) => {
      const url = new URL(
        `${publicUrl()}/functions/v1/event-admin/host/export.zip`,
      );
      url.searchParams.set("event", row.event_slug);
      url.searchParams.set("part", String(part.part));
      if (query.visibility !== "visible") {
        url.searchParams.set("visibility", query.visibility);
      }
      if (actor.ticket !== null) url.searchParams.set("ticket", actor.ticket);
      return { ...part, url: url.href };
    });
    return { ...row, parts };
  },
});

export const getExportPart = route({
  method: "get",
  path: "/host/export.zip",
  credential: "download",
  summary: "A part of the export: a ZIP archive of pictures and `manifest.csv`.",
  description:
    "A picture whose file is missing is listed in the manifest as such. The archive is " +
    "streamed and its length not told: one that breaks off has to be asked for again.",
  query: exportQuery.extend({
    part: z.coerce.number().int().min(1).max(1_000_000),
  }),
  produces: ["application/zip"],
  errors: [...hostErrors, "NOT_FOUND", "UNAVAILABLE"],
  async handle({ c, actor, query }) {
    const { event_slug, photos } = await rpc<
      { event_slug: string; photos: ExportPhoto[] }
    >(
      "get_export_part",
      { ...exportArguments(actor, query), p_part: query.part },
    );
    const requestId = c.get("requestId");
    const archive = await openPart(
      photos,
      (error) =>
        log("error", "export_broken", {
          request_id: requestId,
          part: query.part,
          error: describeError(error),
        }),
    );
    return new Response(archive, {
      headers: {
        "content-type": "application/zip",
        "content-disposition": `attachment; filename="${event_slug}-${query.part}.zip"`,
        "cache-control": "private, no-store",
      },
    });
  },
});

export const postTicket = route({
  ...hosted,
  method: "post",
  path: "/host/tickets",
  summary: "A ticket for downloads by a link, which sends no headers: `?ticket=`, for 5 minutes.",
  description: "It opens host/export and host/export.zip of this event, any number of times, and " +
    "ends early with the session or the rights of who asked for it.",
  answer: z.object({ ticket: z.string(), expires_at: instant }),
  errors: [...hostErrors],
  async handle({ actor, query }) {
    const [ticket] = await rpc<[{ ticket: string; expires_at: string }]>(
      "issue_download_ticket",
      hostArguments(actor, query),
    );
    return ticket;
  },
});

export const exportRoutes = [getExport, getExportPart, postTicket];
