import type postgres from "postgres";
import * as z from "zod";
import { type IncomingFile, readUpload } from "./body.ts";
import { bucketRules } from "./buckets.ts";
import { noSuchKey } from "./errors.ts";
import type { FileName, FileStore, WrittenFile } from "./files.ts";
import {
  address,
  checkBucket,
  checkMimeType,
  GLOBAL_SIZE_LIMIT,
  type ObjectAddress,
} from "./names.ts";
import { commitRow, findObject, insertRow, lockKey, orDiscard } from "./rows.ts";
import { type Caller, ownerOf, rehearse, transaction } from "./session.ts";

/** Body of `POST /object/move`. */
export const moveBody = z.object({
  bucketId: z.string(),
  sourceKey: z.string(),
  destinationBucket: z.string().optional(),
  destinationKey: z.string(),
  sourceVersionId: z.undefined("The local storage keeps no older versions").optional(),
});

/** Body of `POST /object/copy`. */
export const copyBody = moveBody.extend({
  copyMetadata: z.boolean().optional(),
  metadata: z.object({ cacheControl: z.string(), mimetype: z.string() }).partial().optional(),
});

/** Body of `DELETE /object/{bucket}`. */
export const removeBody = z.object({ prefixes: z.array(z.string()).min(1).max(1000) });

/**
 * Takes an upload in: rules of the bucket, then the caller's policies, then the bytes to disk,
 * then the row. A crash in between leaves at worst a file that no row names.
 * @throws StorageError NoSuchBucket, InvalidMimeType, EntityTooLarge, ResourceAlreadyExists,
 *   AccessDenied
 */
export async function uploadObject(
  sql: postgres.Sql,
  files: FileStore,
  caller: Caller,
  operation: string,
  target: ObjectAddress,
  request: Request,
  upsert: boolean,
): Promise<{ Id: string; Key: string }> {
  const rules = await bucketRules(sql, target.bucket);
  const limit = Math.min(rules.sizeLimit ?? GLOBAL_SIZE_LIMIT, GLOBAL_SIZE_LIMIT);
  const incoming = await readUpload(request, limit);
  checkMimeType(incoming.contentType, rules.allowedMimeTypes);
  const draft = { ...target, ...ownerOf(caller), userMetadata: incoming.userMetadata };

  await rehearse(sql, caller, operation, (tx) =>
    insertRow(tx, {
      ...draft,
      version: crypto.randomUUID(),
      metadata: { mimetype: incoming.contentType },
    }, upsert));
  const version = crypto.randomUUID();
  const written = await files.write(target.bucket, version, incoming.stream, limit);
  const metadata = systemMetadata(written, incoming);
  const id = await commitRow(sql, files, caller, operation, {
    ...draft,
    version,
    metadata,
  }, upsert);
  return { Id: id, Key: `${target.bucket}/${target.key}` };
}

/** Throws what an upload by the caller would meet; changes nothing. */
export async function checkUpload(
  sql: postgres.Sql,
  caller: Caller,
  target: ObjectAddress,
  upsert: boolean,
): Promise<void> {
  await rehearse(sql, caller, "object.sign_upload_url", (tx) =>
    insertRow(tx, {
      ...target,
      ...ownerOf(caller),
      version: crypto.randomUUID(),
      metadata: {},
      userMetadata: null,
    }, upsert));
}

/** Copies an object: the caller must see the source and may write the destination. */
export async function copyObject(
  sql: postgres.Sql,
  files: FileStore,
  caller: Caller,
  body: z.infer<typeof copyBody>,
  upsert: boolean,
): Promise<{ Id: string; Key: string }> {
  const source = address(body.bucketId, body.sourceKey);
  const target = address(body.destinationBucket ?? body.bucketId, body.destinationKey);
  const original = await findObject(sql, caller, "object.copy", source);
  const row = {
    ...target,
    ...ownerOf(caller),
    version: crypto.randomUUID(),
    metadata: {
      ...original.metadata,
      ...(body.copyMetadata === false ? body.metadata : {}),
      lastModified: new Date().toISOString(),
    },
    userMetadata: body.copyMetadata === false ? null : original.user_metadata,
  };
  await rehearse(sql, caller, "object.copy", (tx) => insertRow(tx, row, upsert));
  await copyFile(files, { bucket: source.bucket, version: original.version }, row);
  const id = await commitRow(sql, files, caller, "object.copy", row, upsert);
  return { Id: id, Key: `${target.bucket}/${target.key}` };
}

/**
 * Renames an object, also into another bucket. Within a bucket only the row changes; across
 * buckets the file is copied first and the old one deleted after the commit.
 * @throws StorageError NoSuchKey, ResourceAlreadyExists, AccessDenied
 */
export async function moveObject(
  sql: postgres.Sql,
  files: FileStore,
  caller: Caller,
  body: z.infer<typeof moveBody>,
): Promise<{ message: string; Id: string; Key: string }> {
  const source = address(body.bucketId, body.sourceKey);
  const target = address(body.destinationBucket ?? body.bucketId, body.destinationKey);
  const found = await findObject(sql, caller, "object.move", source);
  const before: FileName = { bucket: source.bucket, version: found.version };
  const sameBucket = target.bucket === source.bucket;
  const after = sameBucket ? before : { bucket: target.bucket, version: crypto.randomUUID() };
  const { owner, owner_id } = ownerOf(caller);
  const rename = async (tx: postgres.TransactionSql) => {
    await lockKey(tx, target);
    // The version is part of the condition: an overwrite in between must not be moved unseen.
    const { count } = await tx`
      update storage.objects
      set bucket_id = ${target.bucket}, name = ${target.key}, version = ${after.version},
        owner = coalesce(${owner}, owner), owner_id = coalesce(${owner_id}, owner_id)
      where bucket_id = ${source.bucket} and name = ${source.key} and version = ${before.version}`;
    if (count === 0) throw noSuchKey();
  };

  if (!sameBucket) {
    await rehearse(sql, caller, "object.move", rename);
    await copyFile(files, before, after);
  }
  await orDiscard(
    sameBucket ? null : after,
    files,
    () => transaction(sql, caller, "object.move", rename),
  );
  if (!sameBucket) await files.remove(before);
  return { message: "Successfully moved", Id: found.id, Key: target.key };
}

/** Deletes what the caller may delete of `keys` and returns those rows; the rest is no error. */
export async function removeObjects(
  sql: postgres.Sql,
  files: FileStore,
  caller: Caller,
  bucket: string,
  keys: string[],
): Promise<unknown[]> {
  const rows = await transaction(sql, caller, "object.delete_many", (tx) =>
    tx`
      delete from storage.objects where bucket_id = ${checkBucket(bucket)} and name = any(${keys})
      returning id, bucket_id, name, owner, version, metadata, user_metadata,
        created_at, updated_at, last_accessed_at`);
  for (const { version } of rows) if (version) await files.remove({ bucket, version });
  return rows;
}

async function copyFile(files: FileStore, from: FileName, to: FileName): Promise<void> {
  try {
    await files.copy(from, to);
  } catch (cause) {
    // Deleted or overwritten since its row was read.
    throw cause instanceof Deno.errors.NotFound ? noSuchKey() : cause;
  }
}

/** The `metadata` column in the shape the hosted service writes. */
function systemMetadata(
  written: WrittenFile,
  incoming: IncomingFile,
): Record<string, unknown> {
  return {
    eTag: written.etag,
    size: written.size,
    mimetype: incoming.contentType,
    cacheControl: incoming.cacheControl,
    lastModified: new Date().toISOString(),
    contentLength: written.size,
    httpStatusCode: 200,
  };
}
