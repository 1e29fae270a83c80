import { Buffer } from "node:buffer";
import { z, type ZodType } from "zod";
import { invalidField } from "./errors.ts";
import { refuseUnstorable } from "./http.ts";

/** Parameters of a route that answers with a page: extend a strict object with them. */
export const pageQuery = {
  /** `next_cursor` of the page before. */
  cursor: z.string().min(1).max(500).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
};

/** Where the next page begins; null on the last one. */
export const nextCursor = z.string().nullable();

/**
 * Reads a cursor: the sort key of the last row that the client has. Undefined for the first page.
 * @throws {ApiError} INVALID_INPUT for what no page of the list gave
 */
export function readCursor<T>(cursor: string | undefined, key: ZodType<T>): T | undefined {
  if (cursor === undefined) return undefined;
  try {
    const text = Buffer.from(cursor, "base64url").toString();
    return key.parse(JSON.parse(text, refuseUnstorable));
  } catch {
    throw invalidField("cursor", "not a next_cursor of this list");
  }
}

/**
 * Cuts a page from rows of which one more than wanted was asked for, so that the last page is known
 * as such. `key` gives a row's sort key, which the cursor carries.
 */
export function cutPage<T>(rows: T[], limit: number, key: (row: T) => unknown[]) {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const next_cursor = rows.length > limit && last !== undefined
    ? Buffer.from(JSON.stringify(key(last))).toString("base64url")
    : null;
  return { page, next_cursor };
}
