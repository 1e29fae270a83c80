import type { FileStore } from "./files.ts";
import type { StoredObject } from "./rows.ts";

/** How an object is to be handed out. */
export interface ServeOptions {
  /** End of a signed URL in seconds since 1970; sent as `Expires` instead of `Cache-Control`. */
  expires: number | null;
  /** Answer with the headers alone. */
  headersOnly: boolean;
}

/**
 * The answer that carries an object's bytes: conditional (304), ranged (206, 416) or whole, as a
 * stream from disk. `?download[=name]` asks the browser to save it.
 * @throws Deno.errors.NotFound when the file was replaced or removed since its row was read
 */
export async function serveObject(
  files: FileStore,
  request: Request,
  object: StoredObject,
  options: ServeOptions,
): Promise<Response> {
  const { metadata } = object;
  const headers = new Headers({
    "accept-ranges": "bytes",
    // As hosted: a page from this origin must not run with the API's cookies and storage.
    "content-type": metadata.mimetype.includes("text/html") ? "text/plain" : metadata.mimetype,
    "etag": metadata.eTag,
    "last-modified": new Date(object.updated_at).toUTCString(),
    "x-robots-tag": "none",
  });
  if (options.expires === null) headers.set("cache-control", metadata.cacheControl);
  else headers.set("expires", new Date(options.expires * 1000).toUTCString());
  const download = new URL(request.url).searchParams.get("download");
  if (download !== null) headers.set("content-disposition", disposition(download));

  if (isUnchanged(request, headers)) return new Response(null, { status: 304, headers });
  const range = parseRange(request.headers.get("range"), metadata.size);
  if (range === "unsatisfiable") return rangeNotSatisfiable(metadata.size);
  const { start, length } = range ?? { start: 0, length: metadata.size };
  headers.set("content-length", String(length));
  if (range) headers.set("content-range", `bytes ${start}-${start + length - 1}/${metadata.size}`);
  const body = options.headersOnly
    ? null
    : await files.read({ bucket: object.bucket_id, version: object.version }, start, length);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** What `storage.from(bucket).info(key)` answers. */
export function describeObject(object: StoredObject): Record<string, unknown> {
  return {
    id: object.id,
    name: object.name,
    version: object.version,
    bucket_id: object.bucket_id,
    size: object.metadata.size,
    content_type: object.metadata.mimetype,
    cache_control: object.metadata.cacheControl,
    etag: object.metadata.eTag,
    metadata: object.user_metadata,
    last_modified: object.updated_at,
    created_at: object.created_at,
  };
}

type ByteRange = { start: number; length: number } | "unsatisfiable" | null;

/**
 * One range of bytes (RFC 9110 §14.2): `bytes=a-b`, `bytes=a-`, `bytes=-n`. Null, which means the
 * whole object, for anything else: servers may ignore a range they do not understand.
 */
function parseRange(header: string | null, size: number): ByteRange {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return null;
  const start = from === "" ? Math.max(size - Number(to), 0) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && from !== "" && Number(to) < start) return null;
  return start > last ? "unsatisfiable" : { start, length: last - start + 1 };
}

function rangeNotSatisfiable(size: number): Response {
  return Response.json({
    statusCode: "416",
    code: "InvalidRange",
    error: "invalid_range",
    message: `The requested range lies outside the object's ${size} bytes`,
  }, { status: 416, headers: { "content-range": `bytes */${size}` } });
}

/** If-None-Match decides alone when present (RFC 9110 §13.2.2). */
function isUnchanged(request: Request, current: Headers): boolean {
  const tags = request.headers.get("if-none-match");
  if (tags !== null) {
    const known = tags.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
    return known.includes("*") || known.includes(current.get("etag") ?? "");
  }
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  return since >= Date.parse(current.get("last-modified") ?? "");
}

function disposition(name: string): string {
  if (name === "") return "attachment;";
  const encoded = encodeURIComponent(name);
  return `attachment; filename=${encoded}; filename*=UTF-8''${encoded}`;
}
