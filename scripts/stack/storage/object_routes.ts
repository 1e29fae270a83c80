import { type Context, Hono } from "hono";
import * as z from "zod";
import { bucketRules } from "./buckets.ts";
import { noSuchBucket, noSuchKey } from "./errors.ts";
import { listBody, listFolder, listKeys, listV2Body } from "./listing.ts";
import type { ObjectAddress } from "./names.ts";
import {
  checkUpload,
  copyBody,
  copyObject,
  moveBody,
  moveObject,
  removeBody,
  removeObjects,
  uploadObject,
} from "./objects.ts";
import { addressOf, callerOf, readJson, type StorageParts } from "./routes.ts";
import { findObject, visibleKeys } from "./rows.ts";
import { describeObject, serveObject } from "./serving.ts";
import { type Caller, ownerOf, SERVICE } from "./session.ts";

const signBody = z.object({
  expiresIn: z.number().int().min(1),
  transform: z.undefined("The local storage has no image transforms").optional(),
  versionId: z.undefined("The local storage keeps no older versions").optional(),
});
const signManyBody = signBody.extend({ paths: z.array(z.string()).min(1).max(1000) });

/** Routes under `/object`. Order matters: `/:bucket/:key` matches nearly everything. */
export function objectRoutes(parts: StorageParts): Hono {
  const app = new Hono();
  addSignedRoutes(app, parts);
  addManagingRoutes(app, parts);
  addReadingRoutes(app, parts);
  addWritingRoutes(app, parts);
  return app;
}

/** Signed URLs: handed out to who may read or write, good for anybody who holds one. */
function addSignedRoutes(app: Hono, parts: StorageParts): void {
  const { sql, files, signer } = parts;

  app.post("/sign/:bucket/:key{.+}", async (c) => {
    const caller = await callerOf(parts, c);
    const target = addressOf(c);
    const { expiresIn } = await readJson(c, signBody);
    await findObject(sql, caller, "object.sign", target);
    const token = await signer.forDownload(target, expiresIn);
    return c.json({ signedURL: signedPath("object/sign", target, token) });
  });

  app.post("/sign/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    const bucket = c.req.param("bucket");
    const { expiresIn, paths } = await readJson(c, signManyBody);
    const visible = await visibleKeys(sql, caller, bucket, paths);
    return c.json(
      await Promise.all(paths.map(async (path) => {
        if (!visible.has(path)) {
          const error = "Either the object does not exist or you do not have access to it";
          return { error, path, signedURL: null };
        }
        const target = { bucket, key: path };
        const token = await signer.forDownload(target, expiresIn);
        return { error: null, path, signedURL: signedPath("object/sign", target, token) };
      })),
    );
  });

  app.get("/sign/:bucket/:key{.+}", async (c) => {
    const target = addressOf(c);
    const { exp } = await signer.verify(c.req.query("token") ?? "", "download", target);
    return await serve(parts, c, SERVICE, "object.get_signed", target, exp);
  });

  app.post("/upload/sign/:bucket/:key{.+}", async (c) => {
    const caller = await callerOf(parts, c);
    const target = addressOf(c);
    const upsert = c.req.header("x-upsert") === "true";
    await checkUpload(sql, caller, target, upsert);
    const token = await signer.forUpload(target, ownerOf(caller).owner_id, upsert);
    return c.json({ url: signedPath("object/upload/sign", target, token), token });
  });

  app.put("/upload/sign/:bucket/:key{.+}", async (c) => {
    const target = addressOf(c);
    const { upsert, owner } = await signer.verify(c.req.query("token") ?? "", "upload", target);
    // The policies decided when the URL was made; the token's owner becomes the object's.
    const bearer = { ...SERVICE, claims: { ...SERVICE.claims, sub: owner } };
    const operation = "object.upload_signed";
    const { Key } = await uploadObject(sql, files, bearer, operation, target, c.req.raw, upsert);
    return c.json({ Key });
  });
}

/** Listing, moving, copying, deleting. */
function addManagingRoutes(app: Hono, parts: StorageParts): void {
  const { sql, files } = parts;

  app.post("/list/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    const options = await readJson(c, listBody);
    return c.json(await listFolder(sql, caller, c.req.param("bucket"), options));
  });
  app.post("/list-v2/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    const options = await readJson(c, listV2Body);
    return c.json(await listKeys(sql, caller, c.req.param("bucket"), options));
  });
  app.post("/move", async (c) => {
    const caller = await callerOf(parts, c);
    return c.json(await moveObject(sql, files, caller, await readJson(c, moveBody)));
  });
  app.post("/copy", async (c) => {
    const caller = await callerOf(parts, c);
    const upsert = c.req.header("x-upsert") === "true";
    return c.json(await copyObject(sql, files, caller, await readJson(c, copyBody), upsert));
  });
  app.delete("/:bucket", async (c) => {
    const caller = await callerOf(parts, c);
    const { prefixes } = await readJson(c, removeBody);
    return c.json(await removeObjects(sql, files, caller, c.req.param("bucket"), prefixes));
  });
  app.delete("/:bucket/:key{.+}", async (c) => {
    const caller = await callerOf(parts, c);
    const { bucket, key } = addressOf(c);
    const removed = await removeObjects(sql, files, caller, bucket, [key]);
    if (removed.length === 0) throw noSuchKey();
    return c.json({ message: "Successfully deleted" });
  });
}

/** Bytes and descriptions of objects; hono answers HEAD with the headers of GET. */
function addReadingRoutes(app: Hono, parts: StorageParts): void {
  const { sql } = parts;

  /** Who reads in a public bucket is the service; in a private one the caller's policies decide. */
  const readerOf = async (c: Context, target: ObjectAddress): Promise<Caller> =>
    (await bucketRules(sql, target.bucket)).isPublic ? SERVICE : await callerOf(parts, c);
  const mustBePublic = async (target: ObjectAddress): Promise<Caller> => {
    if (!(await bucketRules(sql, target.bucket)).isPublic) throw noSuchBucket();
    return SERVICE;
  };

  app.get("/public/:bucket/:key{.+}", async (c) => {
    const target = addressOf(c);
    return await serve(parts, c, await mustBePublic(target), "object.get_public", target);
  });
  app.get("/info/public/:bucket/:key{.+}", async (c) => {
    const target = addressOf(c);
    const reader = await mustBePublic(target);
    return c.json(describeObject(await findObject(sql, reader, "object.info_public", target)));
  });
  for (const path of ["/info/authenticated/:bucket/:key{.+}", "/info/:bucket/:key{.+}"]) {
    app.get(path, async (c) => {
      const target = addressOf(c);
      const reader = await readerOf(c, target);
      const operation = "object.get_authenticated_info";
      return c.json(describeObject(await findObject(sql, reader, operation, target)));
    });
  }
  for (const path of ["/authenticated/:bucket/:key{.+}", "/:bucket/:key{.+}"]) {
    app.get(path, async (c) => {
      const target = addressOf(c);
      const reader = await readerOf(c, target);
      return await serve(parts, c, reader, "object.get_authenticated", target);
    });
  }
}

/** POST adds (or replaces with x-upsert), PUT replaces, as storage-js upload() and update(). */
function addWritingRoutes(app: Hono, parts: StorageParts): void {
  const { sql, files } = parts;

  app.post("/:bucket/:key{.+}", async (c) => {
    const caller = await callerOf(parts, c);
    const upsert = c.req.header("x-upsert") === "true";
    const target = addressOf(c);
    return c.json(
      await uploadObject(sql, files, caller, "object.upload", target, c.req.raw, upsert),
    );
  });
  app.put("/:bucket/:key{.+}", async (c) => {
    const caller = await callerOf(parts, c);
    const target = addressOf(c);
    return c.json(
      await uploadObject(sql, files, caller, "object.upload_update", target, c.req.raw, true),
    );
  });
}

function signedPath(route: string, { bucket, key }: ObjectAddress, token: string): string {
  return `/${route}/${bucket}/${key}?token=${token}`;
}

/** Serves the object; once more when its file was replaced between the row and the open. */
async function serve(
  parts: StorageParts,
  c: Context,
  reader: Caller,
  operation: string,
  target: ObjectAddress,
  expires: number | null = null,
): Promise<Response> {
  const headersOnly = c.req.method === "HEAD";
  for (const isLastTry of [false, true]) {
    const object = await findObject(parts.sql, reader, operation, target);
    try {
      return await serveObject(parts.files, c.req.raw, object, { expires, headersOnly });
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
      if (isLastTry) break;
    }
  }
  throw noSuchKey();
}
