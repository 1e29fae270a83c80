import type postgres from "postgres";
import { isRefusal, noSuchKey } from "./errors.ts";
import type { FileName, FileStore } from "./files.ts";
import { checkBucket, type ObjectAddress } from "./names.ts";
import { become, type Caller, SERVICE, transaction } from "./session.ts";

/** A row of `storage.objects`, as far as this handler reads it. */
export interface StoredObject {
  id: string;
  bucket_id: string;
  name: string;
  version: string;
  metadata: { eTag: string; size: number; mimetype: string; cacheControl: string };
  user_metadata: Record<string, unknown> | null;
  created_at: Date;
  updated_at: Date;
}

/**
 * The object as the caller's policies show it. A row that SQL made without a file is none.
 * @throws StorageError NoSuchKey
 */
export async function findObject(
  sql: postgres.Sql,
  caller: Caller,
  operation: string,
  { bucket, key }: ObjectAddress,
): Promise<StoredObject> {
  const [row] = await transaction(sql, caller, operation, (tx) =>
    tx<StoredObject[]>`
      select id, bucket_id, name, version, metadata, user_metadata, created_at, updated_at
      from storage.objects
      where bucket_id = ${bucket} and name = ${key} and version is not null`);
  if (!row) throw noSuchKey();
  return row;
}

/** Which of `keys` the caller's policies show. */
export async function visibleKeys(
  sql: postgres.Sql,
  caller: Caller,
  bucket: string,
  keys: string[],
): Promise<Set<string>> {
  const rows = await transaction(sql, caller, "object.sign_many", (tx) =>
    tx<{ name: string }[]>`
      select name from storage.objects
      where bucket_id = ${checkBucket(bucket)} and name = any(${keys})`);
  return new Set(rows.map(({ name }) => name));
}

/** A row to write; `metadata` is what the service knows, `userMetadata` what the sender added. */
export interface NewRow extends ObjectAddress {
  owner: string | null;
  owner_id: string | null;
  version: string;
  metadata: Record<string, unknown>;
  userMetadata: Record<string, unknown> | null;
}

/** Without RETURNING, so that the caller needs no select policy to add an object. */
export async function insertRow(
  tx: postgres.TransactionSql,
  row: NewRow,
  upsert: boolean,
): Promise<void> {
  // Text first: a driver with its own jsonb serializer would encode the text twice.
  const metadata = JSON.stringify(row.metadata);
  const userMetadata = row.userMetadata === null ? null : JSON.stringify(row.userMetadata);
  await tx`
    insert into storage.objects
      (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
    values (${row.bucket}, ${row.key}, ${row.owner}, ${row.owner_id}, ${row.version},
      ${metadata}::text::jsonb, ${userMetadata}::text::jsonb)
    ${
    upsert
      ? tx`on conflict (bucket_id, name) do update set version = excluded.version,
          metadata = excluded.metadata, user_metadata = excluded.user_metadata,
          owner = excluded.owner, owner_id = excluded.owner_id, updated_at = now()`
      : tx``
  }`;
}

/** Whoever is about to fill a key takes turns, so that an overwrite knows the file it replaces. */
export async function lockKey(
  tx: postgres.TransactionSql,
  { bucket, key }: ObjectAddress,
): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`${bucket}/${key}`}, 0))`;
}

/** Writes the row of a file that is on disk, then deletes the file it replaced. Returns the id. */
export async function commitRow(
  sql: postgres.Sql,
  files: FileStore,
  caller: Caller,
  operation: string,
  row: NewRow,
  upsert: boolean,
): Promise<string> {
  const { id, replaced } = await orDiscard(
    row,
    files,
    () =>
      transaction(sql, caller, operation, async (tx) => {
        await become(tx, SERVICE);
        await lockKey(tx, row);
        // For update: a move in between would carry the file to be replaced to another key.
        const find = () =>
          tx`select id, version from storage.objects
            where bucket_id = ${row.bucket} and name = ${row.key} for update`;
        const [before] = await find();
        await become(tx, caller);
        await insertRow(tx, row, upsert);
        await become(tx, SERVICE);
        const [after] = await find();
        return { id: after?.id as string, replaced: before?.version as string | undefined };
      }),
  );
  if (replaced) await files.remove({ bucket: row.bucket, version: replaced });
  return id;
}

/**
 * Runs the commit of a file that is already on disk and deletes the file when the database
 * refused. When the connection broke the commit may have happened: then the file stays.
 */
export async function orDiscard<T>(
  file: FileName | null,
  files: FileStore,
  commit: () => Promise<T>,
): Promise<T> {
  try {
    return await commit();
  } catch (cause) {
    if (file && isRefusal(cause)) await files.remove(file);
    throw cause;
  }
}
