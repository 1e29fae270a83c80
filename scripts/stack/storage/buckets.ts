import type postgres from "postgres";
import * as z from "zod";
import { invalidRequest, noSuchBucket } from "./errors.ts";
import type { FileStore } from "./files.ts";
import { checkAllowedMimeTypes, checkBucket, parseSizeLimit } from "./names.ts";
import { type Caller, ownerOf, transaction } from "./session.ts";

/** What an upload or a download has to know of its bucket. */
export interface BucketRules {
  isPublic: boolean;
  sizeLimit: number | null;
  allowedMimeTypes: string[] | null;
}

const settings = z.object({
  public: z.boolean().optional(),
  file_size_limit: z.union([z.number(), z.string()]).nullish(),
  allowed_mime_types: z.array(z.string()).nullish(),
});

/** Body of `POST /bucket`. */
export const newBucketBody = settings.extend({ name: z.string(), id: z.string().optional() });

/** Body of `PUT /bucket/{id}`; what is absent stays as it is. */
export const bucketChangeBody = settings;

/** Query of `GET /bucket`. */
export const bucketListQuery = z.object({
  limit: z.coerce.number().int().min(1).optional(),
  offset: z.coerce.number().int().min(0).default(0),
  sortColumn: z.enum(["id", "name", "created_at", "updated_at"]).default("name"),
  sortOrder: z.enum(["asc", "desc"]).default("asc"),
  search: z.string().default(""),
});

/** The rules of a bucket, read as the service: they bind everybody. Throws NoSuchBucket. */
export async function bucketRules(sql: postgres.Sql, bucket: string): Promise<BucketRules> {
  const [row] = await sql`
    select public, file_size_limit, allowed_mime_types
    from storage.buckets where id = ${bucket}`;
  if (!row) throw noSuchBucket();
  return {
    isPublic: row.public === true,
    sizeLimit: row.file_size_limit === null ? null : Number(row.file_size_limit),
    allowedMimeTypes: row.allowed_mime_types,
  };
}

/** The buckets that the caller's policies show. */
export async function listBuckets(
  sql: postgres.Sql,
  caller: Caller,
  query: z.infer<typeof bucketListQuery>,
): Promise<unknown[]> {
  const rows = await transaction(sql, caller, "bucket.list", (tx) =>
    tx`
      select id, name, owner, public, type, file_size_limit, allowed_mime_types,
        created_at, updated_at
      from storage.buckets
      where starts_with(lower(name), lower(${query.search}))
      order by ${tx(query.sortColumn)} ${query.sortOrder === "desc" ? tx`desc` : tx`asc`}
      limit ${query.limit ?? null} offset ${query.offset}`);
  return rows.map(present);
}

/** One bucket. Throws NoSuchBucket, also when the caller's policies hide it. */
export async function getBucket(
  sql: postgres.Sql,
  caller: Caller,
  bucket: string,
): Promise<unknown> {
  const [row] = await transaction(sql, caller, "bucket.get", (tx) =>
    tx`
      select id, name, owner, public, type, file_size_limit, allowed_mime_types,
        created_at, updated_at
      from storage.buckets where id = ${checkBucket(bucket)}`);
  if (!row) throw noSuchBucket();
  return present(row);
}

/** Makes a bucket. Throws InvalidBucketName, ResourceAlreadyExists, AccessDenied. */
export async function createBucket(
  sql: postgres.Sql,
  caller: Caller,
  body: z.infer<typeof newBucketBody>,
): Promise<{ name: string }> {
  const name = checkBucket(body.name);
  const { owner, owner_id } = ownerOf(caller);
  const { sizeLimit, mimeTypes } = readSettings(body);
  await transaction(sql, caller, "bucket.create", (tx) =>
    tx`
      insert into storage.buckets
        (id, name, owner, owner_id, public, file_size_limit, allowed_mime_types)
      values (${checkBucket(body.id ?? name)}, ${name}, ${owner}, ${owner_id},
        ${body.public ?? false}, ${sizeLimit ?? null}, ${mimeTypes ?? null})`);
  return { name };
}

/** Changes the settings that the body names. Throws NoSuchBucket, AccessDenied. */
export async function updateBucket(
  sql: postgres.Sql,
  caller: Caller,
  bucket: string,
  body: z.infer<typeof bucketChangeBody>,
): Promise<{ message: string }> {
  const { sizeLimit, mimeTypes } = readSettings(body);
  const changes = {
    ...(body.public === undefined ? {} : { public: body.public }),
    ...(sizeLimit === undefined ? {} : { file_size_limit: sizeLimit }),
    ...(mimeTypes === undefined ? {} : { allowed_mime_types: mimeTypes }),
  };
  if (Object.keys(changes).length === 0) {
    throw invalidRequest(
      "Nothing to update: give public, file_size_limit or allowed_mime_types",
    );
  }
  const { count } = await transaction(
    sql,
    caller,
    "bucket.update",
    (tx) => tx`update storage.buckets set ${tx(changes)} where id = ${checkBucket(bucket)}`,
  );
  if (count === 0) throw noSuchBucket();
  return { message: "Successfully updated" };
}

/** Deletes every object of the bucket that the caller may delete, before it answers. */
export async function emptyBucket(
  sql: postgres.Sql,
  files: FileStore,
  caller: Caller,
  bucket: string,
): Promise<{ message: string }> {
  await getBucket(sql, caller, bucket);
  const rows = await transaction(
    sql,
    caller,
    "bucket.empty",
    (tx) => tx`delete from storage.objects where bucket_id = ${bucket} returning version`,
  );
  for (const { version } of rows) if (version) await files.remove({ bucket, version });
  return { message: "Successfully emptied" };
}

/** Deletes an empty bucket. Throws ResourceNotEmpty, NoSuchBucket, AccessDenied. */
export async function deleteBucket(
  sql: postgres.Sql,
  caller: Caller,
  bucket: string,
): Promise<{ message: string }> {
  const { count } = await transaction(
    sql,
    caller,
    "bucket.delete",
    (tx) => tx`delete from storage.buckets where id = ${checkBucket(bucket)}`,
  );
  if (count === 0) throw noSuchBucket();
  return { message: "Successfully deleted" };
}

function readSettings(body: z.infer<typeof settings>) {
  const mimeTypes = body.allowed_mime_types?.filter((type) => type !== "") ??
    body.allowed_mime_types;
  if (mimeTypes) checkAllowedMimeTypes(mimeTypes);
  const limit = body.file_size_limit;
  return {
    mimeTypes,
    sizeLimit: limit === null || limit === undefined ? limit : parseSizeLimit(limit),
  };
}

/** bigint arrives from the driver as text. */
function present(row: postgres.Row): unknown {
  const limit = row.file_size_limit;
  return { ...row, file_size_limit: limit === null ? null : Number(limit) };
}
