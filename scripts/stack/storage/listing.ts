import { Buffer } from "node:buffer";
import type postgres from "postgres";
import * as z from "zod";
import { invalidRequest } from "./errors.ts";
import { checkBucket } from "./names.ts";
import { type Caller, transaction } from "./session.ts";

/** Body of `POST /object/list/{bucket}`. */
export const listBody = z.object({
  prefix: z.string().default(""),
  limit: z.number().int().min(1).default(100),
  offset: z.number().int().min(0).default(0),
  search: z.string().default(""),
  sortBy: z.object({
    column: z.enum(["name", "updated_at", "created_at", "last_accessed_at"]).default("name"),
    order: z.enum(["asc", "desc"]).default("asc"),
  }).prefault({}),
});

/** Body of `POST /object/list-v2/{bucket}`; only sorting by name is offered here. */
export const listV2Body = z.object({
  prefix: z.string().default(""),
  limit: z.number().int().min(1).default(1000),
  cursor: z.string().optional(),
  with_delimiter: z.boolean().default(false),
  sortBy: z.object({
    column: z.literal("name"),
    order: z.enum(["asc", "desc"]).default("asc"),
  }).prefault({ column: "name" }),
});

/**
 * The entries of one folder that the caller's policies show: objects by their name inside the
 * folder, deeper ones grouped as folders with a null id. `search` is a prefix, case ignored.
 */
export async function listFolder(
  sql: postgres.Sql,
  caller: Caller,
  bucket: string,
  body: z.infer<typeof listBody>,
): Promise<readonly unknown[]> {
  const prefix = body.prefix === "" || body.prefix.endsWith("/") ? body.prefix : `${body.prefix}/`;
  const { column, order } = body.sortBy;
  return await transaction(sql, caller, "object.list", (tx) => {
    const direction = order === "desc" ? tx`desc` : tx`asc`;
    // Folders have no times: "nulls first" puts them in front, whatever the direction.
    const sorting = column === "name"
      ? tx`name collate "C" ${direction}`
      : tx`${tx(column)} ${direction} nulls first, name collate "C"`;
    return tx`
      with entries as (
        select *, substr(name, length(${prefix}) + 1) as rest
        from storage.objects
        where bucket_id = ${checkBucket(bucket)} and starts_with(name, ${prefix})
      ), listed as (
        select distinct split_part(rest, '/', 1) as name, null::uuid as id,
          null::timestamptz as updated_at, null::timestamptz as created_at,
          null::timestamptz as last_accessed_at, null::jsonb as metadata
        from entries where strpos(rest, '/') > 0
        union all
        select rest, id, updated_at, created_at, last_accessed_at, metadata
        from entries where strpos(rest, '/') = 0
      )
      select * from listed where starts_with(lower(name), lower(${body.search}))
      order by ${sorting} limit ${body.limit} offset ${body.offset}`;
  });
}

/** One page of full keys after `cursor`; with_delimiter groups what lies in deeper folders. */
export async function listKeys(
  sql: postgres.Sql,
  caller: Caller,
  bucket: string,
  body: z.infer<typeof listV2Body>,
): Promise<unknown> {
  const limit = Math.min(body.limit, 1000);
  const after = body.cursor === undefined ? null : decodeCursor(body.cursor);
  const rows = await transaction(sql, caller, "object.list_v2", (tx) => {
    const [direction, beyond] = body.sortBy.order === "desc" ? [tx`desc`, tx`<`] : [tx`asc`, tx`>`];
    return tx`
      with entries as (
        select *, strpos(substr(name, length(${body.prefix}) + 1), '/') as slash
        from storage.objects
        where bucket_id = ${checkBucket(bucket)} and starts_with(name, ${body.prefix})
      ), listed as (
        select distinct left(name, length(${body.prefix}) + slash) as name, null::uuid as id,
          null::timestamptz as updated_at, null::timestamptz as created_at,
          null::timestamptz as last_accessed_at, null::jsonb as metadata
        from entries where ${body.with_delimiter} and slash > 0
        union all
        select name, id, updated_at, created_at, last_accessed_at, metadata
        from entries where not (${body.with_delimiter} and slash > 0)
      )
      select * from listed
      where ${after}::text is null or name collate "C" ${beyond} ${after}
      order by name collate "C" ${direction} limit ${limit + 1}`;
  });
  const page = rows.slice(0, limit);
  const hasNext = rows.length > limit;
  return {
    hasNext,
    folders: page.filter((row) => row.id === null).map(({ name }) => ({ name, key: name })),
    objects: page.filter((row) => row.id !== null).map((row) => ({ ...row, key: row.name })),
    ...(hasNext ? { nextCursor: Buffer.from(page.at(-1)?.name).toString("base64") } : {}),
  };
}

function decodeCursor(cursor: string): string {
  const key = Buffer.from(cursor, "base64").toString();
  if (key === "" || Buffer.from(key).toString("base64") !== cursor) {
    throw invalidRequest(`Invalid cursor ${cursor}: pass the nextCursor of the page before`);
  }
  return key;
}
