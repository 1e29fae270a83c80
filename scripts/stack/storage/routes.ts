import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type postgres from "postgres";
import type * as z from "zod";
import { readBytes } from "./body.ts";
import { invalidRequest, StorageError } from "./errors.ts";
import type { FileStore } from "./files.ts";
import { address, type ObjectAddress } from "./names.ts";
import type { Caller } from "./session.ts";
import type { UrlSigner } from "./signing.ts";

/** What the routes of buckets and objects work with. */
export interface StorageParts {
  sql: postgres.Sql;
  files: FileStore;
  signer: UrlSigner;
  authenticate: (request: Request) => Promise<Caller | { error: Response }>;
}

/** A thousand keys of a kilobyte: the largest JSON body a client has reason to send. */
const JSON_LIMIT = 2 * 1024 * 1024;

/** The roles a credential may name; the owner of the tables and "none" would bypass every policy. */
const API_ROLES = ["anon", "authenticated", "service_role"];

/**
 * Who asks.
 * @throws HTTPException with the refusal of `authenticate`; StorageError AccessDenied for a token
 *   whose role is none of the API's
 */
export async function callerOf(parts: StorageParts, c: Context): Promise<Caller> {
  const caller = await parts.authenticate(c.req.raw);
  if ("error" in caller) throw new HTTPException(401, { res: caller.error });
  if (!API_ROLES.includes(caller.role)) {
    const message = `permission denied to set role "${caller.role}"`;
    throw new StorageError(403, "AccessDenied", message, "Unauthorized");
  }
  return caller;
}

/** The address in a path that ends in `:bucket/:key{.+}`, checked. */
export function addressOf(c: Context): ObjectAddress {
  return address(c.req.param("bucket") ?? "", c.req.param("key") ?? "");
}

/** The JSON body in the schema's shape. Throws InvalidRequest that names each wrong field. */
export async function readJson<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const text = (await readBytes(c.req.raw.body, JSON_LIMIT)).toString();
  try {
    return parse(schema, JSON.parse(text));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw invalidRequest("The body must be JSON");
    throw cause;
  }
}

/** The value in the schema's shape. Throws InvalidRequest that names each wrong field. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(
    result.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`)
      .join("; "),
  );
}
