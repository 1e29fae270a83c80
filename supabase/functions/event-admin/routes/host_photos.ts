import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { describeError, log } from "../../_shared/log.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import { move, publicBucketUrl, remove, signedUrls } from "../../_shared/storage.ts";
import { hostArguments, hosted, hostErrors } from "./host_event.ts";

const visibility = z.enum(["visible", "pending", "hidden"]);
const status = z.enum(["queued", "processing", "succeeded", "failed"]);

const photo = z.object({
  id,
  style_id: z.string(),
  aspect_ratio: z.string(),
  status,
  visibility: visibility.describe("pending: waits for approval"),
  error_code: z.string().nullable(),
  image_url: z.url().nullable().describe(
    "Public for a visible picture; for a pending or hidden one good for 10 minutes",
  ),
  created_at: instant,
  succeeded_at: instant.nullable(),
});
type PhotoRow = z.input<typeof photo> & { result_path: string };

export const listPhotos = route({
  ...hosted,
  method: "get",
  path: "/host/photos",
  summary: "A page of the event's photos, the newest first, without deleted ones.",
  query: hosted.query.extend({
    ...pageQuery,
    visibility: visibility.optional(),
    status: status.optional(),
    style_id: z.string().max(64).optional(),
    from: instant.optional().describe("Of created_at"),
    to: instant.optional().describe("Of created_at, excluded"),
  }),
  answer: z.object({ photos: z.array(photo), next_cursor: nextCursor }),
  errors: [...hostErrors],
  async handle({ actor, query: { event, cursor, limit, ...filters } }) {
    const before = readCursor(cursor, z.tuple([instant, id]));
    const rows = await rpc<PhotoRow[]>("list_host_photos", {
      ...hostArguments(actor, { event }),
      p_filters: filters,
      p_before: before?.[0] ?? null,
      p_before_id: before?.[1] ?? null,
      p_limit: limit + 1,
    });
    const { page, next_cursor } = cutPage(
      rows,
      limit,
      (row) => [row.created_at, row.id],
    );
    return { photos: await withAddresses(page), next_cursor };
  },
});

/** Gives pictures that are not public an address for a while. */
async function withAddresses(rows: PhotoRow[]): Promise<PhotoRow[]> {
  const closed = rows.filter((row) => row.status === "succeeded" && row.image_url === null);
  const urls = await signedUrls(
    "generations_private",
    closed.map((row) => row.result_path),
  );
  return rows.map((row) => ({
    ...row,
    image_url: row.image_url ?? urls.get(row.result_path) ?? null,
  }));
}

interface VisibilityRow {
  photo: PhotoRow;
  task_id: number | null;
  bucket: string;
  to_bucket: string;
}

export const patchPhoto = route({
  ...hosted,
  method: "patch",
  path: `/host/photos/${ID}`,
  summary: "Shows (approves) or hides a photo.",
  description:
    "Answers when the file has moved. Hidden, it is gone from the gallery at once, and " +
    "from browsers that have it within two minutes. One that is still being made can be hidden too.",
  params: idParams,
  body: z.strictObject({ visibility: z.enum(["visible", "hidden"]) }),
  answer: z.object({ photo }),
  errors: [...hostErrors, "GENERATION_NOT_FOUND"],
  async handle({ actor, params, query, body }) {
    const [row] = await rpc<[VisibilityRow]>("set_photo_visibility", {
      ...hostArguments(actor, query),
      p_generation_id: params.id,
      p_visibility: body.visibility,
    });
    const isMoved = row.task_id !== null && await moveFile(row);
    const image_url = isMoved && row.to_bucket === "generations"
      ? `${publicBucketUrl("generations")}/${row.photo.result_path}`
      : row.photo.image_url;
    const [answer] = await withAddresses([{ ...row.photo, image_url }]);
    return { photo: answer! };
  },
});

/** Whether the file has moved; the sweeper tries again when it has not. */
async function moveFile(
  { photo, task_id, bucket, to_bucket }: VisibilityRow,
): Promise<boolean> {
  try {
    await move(photo.result_path, bucket, to_bucket);
    await rpc("finish_file_tasks", {
      p_task_ids: [task_id],
      p_public_base_url: publicBucketUrl("generations"),
    });
    return true;
  } catch (error) {
    log("warn", "photo_not_moved", {
      task_id: task_id!,
      error: describeError(error),
    });
    return false;
  }
}

export const deletePhoto = route({
  ...hosted,
  method: "delete",
  path: `/host/photos/${ID}`,
  summary: "Deletes a photo for good, its file too. Nothing is refunded.",
  params: idParams,
  answer: z.object({ deleted: z.literal(true) }),
  errors: [...hostErrors, "GENERATION_NOT_FOUND"],
  async handle({ actor, params, query }) {
    const path = await rpc<string | null>("delete_host_photo", {
      ...hostArguments(actor, query),
      p_generation_id: params.id,
    });
    if (path !== null) await removeFile(path);
    return { deleted: true as const };
  },
});

/** Removes the file now; the sweeper, for which it is planned, does it again or instead. */
async function removeFile(path: string): Promise<void> {
  const buckets = ["generations", "generations_private"];
  try {
    await Promise.all(buckets.map((bucket) => remove(bucket, [path])));
  } catch (error) {
    log("warn", "photo_not_removed", { error: describeError(error) });
  }
}

export const hostPhotoRoutes = [listPhotos, patchPhoto, deletePhoto];
