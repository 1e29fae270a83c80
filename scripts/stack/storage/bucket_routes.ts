import { Hono } from "hono";
import {
  bucketChangeBody,
  bucketListQuery,
  createBucket,
  deleteBucket,
  emptyBucket,
  getBucket,
  listBuckets,
  newBucketBody,
  updateBucket,
} from "./buckets.ts";
import { notImplemented } from "./errors.ts";
import { callerOf, parse, readJson, type StorageParts } from "./routes.ts";

/** Routes under `/bucket`. Without policies on `storage.buckets` only service_role gets through. */
export function bucketRoutes(parts: StorageParts): Hono {
  const { sql, files } = parts;
  const app = new Hono();

  app.get("/", async (c) => {
    const caller = await callerOf(parts, c);
    return c.json(await listBuckets(sql, caller, parse(bucketListQuery, c.req.query())));
  });
  app.post("/", async (c) => {
    const caller = await callerOf(parts, c);
    return c.json(await createBucket(sql, caller, await readJson(c, newBucketBody)));
  });
  app.get("/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    return c.json(await getBucket(sql, caller, c.req.param("bucket")));
  });
  app.put("/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    const changes = await readJson(c, bucketChangeBody);
    return c.json(await updateBucket(sql, caller, c.req.param("bucket"), changes));
  });
  app.post("/:bucket/empty", async (c) => {
    const caller = await callerOf(parts, c);
    return c.json(await emptyBucket(sql, files, caller, c.req.param("bucket")));
  });
  app.delete("/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    return c.json(await deleteBucket(sql, caller, c.req.param("bucket")));
  });
  app.all("/:bucket/lifecycle", () => {
    throw notImplemented("lifecycle rules");
  });
  return app;
}
