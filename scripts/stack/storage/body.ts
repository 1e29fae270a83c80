import { Buffer } from "node:buffer";
import { entityTooLarge, invalidRequest, StorageError } from "./errors.ts";

/** Chunks to be read once, from the network or from memory. */
export type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A file on its way in: the stream and what the sender says about it. */
export interface IncomingFile {
  stream: Bytes;
  contentType: string;
  cacheControl: string;
  userMetadata: Record<string, unknown> | null;
}

/** Room for boundaries and text parts around a multipart file, user metadata included. */
const MULTIPART_OVERHEAD = 1024 * 1024;
const MULTIPART = /^multipart\/form-data;.*boundary=(?:"([^"]+)"|([^;\s]+))/i;

/**
 * The file of an upload request: a raw body stays a stream; the multipart form that storage-js
 * makes of a Blob or File is buffered up to `limit` plus 1 MiB.
 * @throws StorageError EntityTooLarge, or InvalidRequest for a form without a file
 */
export async function readUpload(request: Request, limit: number): Promise<IncomingFile> {
  const type = request.headers.get("content-type") ?? "";
  const boundary = MULTIPART.exec(type);
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > limit + (boundary ? MULTIPART_OVERHEAD : 0)) throw entityTooLarge();

  if (!boundary) {
    const encoded = request.headers.get("x-metadata");
    return {
      stream: received(request.body),
      contentType: type || "application/octet-stream",
      cacheControl: request.headers.get("cache-control") ?? "no-cache",
      userMetadata: encoded === null
        ? null
        : parseMetadata(Buffer.from(encoded, "base64").toString()),
    };
  }

  const body = await readBytes(request.body, limit + MULTIPART_OVERHEAD);
  const { file, fields } = parseMultipart(body, boundary[1] ?? boundary[2] ?? "");
  if (!file) throw invalidRequest("The multipart body has no file part");
  if (file.data.byteLength > limit) throw entityTooLarge();
  const { cacheControl, contentType } = fields;
  const metadata = fields.metadata ?? fields.userMetadata;
  return {
    stream: [file.data],
    contentType: contentType || file.type,
    cacheControl: cacheControl ? `max-age=${cacheControl}` : "no-cache",
    userMetadata: metadata === undefined ? null : parseMetadata(metadata),
  };
}

/** The body's chunks; a connection that breaks is the sender's doing, not a fault of ours. */
async function* received(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  try {
    yield* body ?? [];
  } catch {
    throw new StorageError(400, "Aborted", "The request ended before its body was complete");
  }
}

/** A whole body in memory, refused with EntityTooLarge as soon as it passes `limit`. */
export async function readBytes(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of received(body)) {
    size += chunk.byteLength;
    if (size > limit) throw entityTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

interface MultipartForm {
  file: { type: string; data: Uint8Array } | null;
  fields: Record<string, string>;
}

/**
 * Splits a form by hand because `Request.formData()` drops the part named "", and that is how
 * storage-js names the file (Deno 2.9.5).
 */
function parseMultipart(body: Buffer, boundary: string): MultipartForm {
  const form: MultipartForm = { file: null, fields: {} };
  const opening = Buffer.from(`--${boundary}`);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  if (body.indexOf(opening) !== 0) return form;
  for (let head = opening.length, end = 0;; head = end + delimiter.length) {
    end = body.indexOf(delimiter, head);
    const headEnd = body.indexOf("\r\n\r\n", head);
    if (end < 0 || headEnd < 0 || headEnd > end) return form;
    const headers = body.toString("utf8", head, headEnd);
    const data = body.subarray(headEnd + 4, end);
    const name = /;\s*name="([^"]*)"/i.exec(headers)?.[1] ?? "";
    if (name === "" || /;\s*filename\*?=/i.test(headers)) {
      const type = /^content-type:\s*(.+)$/im.exec(headers)?.[1]?.trim();
      form.file ??= { type: type ?? "application/octet-stream", data };
    } else {
      form.fields[name] = data.toString();
    }
  }
}

function parseMetadata(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Not JSON: refused below like any other value that is no object.
  }
  throw invalidRequest("The custom metadata must be a JSON object (base64 of it in x-metadata)");
}
