import { Hono } from "hono";
import type postgres from "postgres";
import { bucketRoutes } from "./storage/bucket_routes.ts";
import { errorResponse, notImplemented, StorageError } from "./storage/errors.ts";
import { createFileStore } from "./storage/files.ts";
import { objectRoutes } from "./storage/object_routes.ts";
import type { Caller } from "./storage/session.ts";
import { createUrlSigner } from "./storage/signing.ts";

/** What the storage handler needs. */
export interface StorageOptions {
  /** Connected as `supabase_storage_admin`, who owns schema storage and may become each API role. */
  sql: postgres.Sql;
  /** Folder of the stored files; made when absent. */
  directory: string;
  /** Signs and checks the tokens of signed URLs. */
  jwtSecret: string;
  /** Reads the request's credential; `error` is the answer to a missing or bad one. */
  authenticate: (request: Request) => Promise<Caller | { error: Response }>;
}

/** Parts of the hosted service that the project does not use, by their first path segment. */
const ABSENT: Record<string, string> = {
  render: "image transforms",
  upload: "resumable uploads",
  s3: "S3 protocol",
  iceberg: "analytics buckets",
  vector: "vector buckets",
  cdn: "cache to purge",
};

/**
 * The storage service of the local stack, for requests under `/storage/v1`. It answers as the
 * hosted service does (github.com/supabase/storage) to what storage-js 2.119.1 sends, because
 * the storage of @supabase/lite 0.10.0 cannot take that client's uploads. Who may do what is
 * decided by the row level security policies on `storage.objects` and `storage.buckets`. Never
 * throws: every failure is a JSON answer.
 */
export function createStorage(options: StorageOptions): (request: Request) => Promise<Response> {
  const parts = {
    sql: options.sql,
    files: createFileStore(options.directory),
    signer: createUrlSigner(options.jwtSecret),
    authenticate: options.authenticate,
  };
  const app = new Hono().basePath("/storage/v1");
  app.onError(errorResponse);
  app.route("/bucket", bucketRoutes(parts));
  app.route("/object", objectRoutes(parts));
  app.notFound((c) => {
    const feature = ABSENT[c.req.path.split("/")[3] ?? ""];
    const message = `The storage has no route ${c.req.method} ${c.req.path}`;
    return errorResponse(
      feature ? notImplemented(feature) : new StorageError(404, "NotFound", message),
    );
  });
  return async (request) => await app.fetch(request);
}
