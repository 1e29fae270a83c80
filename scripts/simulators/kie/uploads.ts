import { Hono } from "hono";
import type { Connection } from "../serve.ts";
import { REASONS, Refusal } from "./envelope.ts";
import { fileBase, type Provider, refuseRoute } from "./routes.ts";

const FETCH_DEADLINE_MS = 30_000;

interface Upload {
  bytes: Uint8Array;
  uploadPath: unknown;
  fileName: unknown;
}

/** The provider's upload host: docs.kie.ai/file-upload-api. The same path and name replaces what was there. */
export function createUploads(provider: Provider): Hono<{ Bindings: Connection }> {
  const { faults, accounts, files } = provider;
  const app = new Hono<{ Bindings: Connection }>();
  app.onError((cause) => {
    if (!(cause instanceof Refusal)) console.error("simulators: kie-upload:", cause);
    const code = cause instanceof Refusal ? cause.code : 500;
    const msg = cause instanceof Refusal ? cause.message : REASONS[500];
    return Response.json({ success: false, code, msg, data: null }, {
      status: faults.http_status === "real" ? code : 200,
    });
  });

  const readers: Record<string, (request: Request) => Promise<Upload>> = {
    "/api/file-base64-upload": readBase64,
    "/api/file-stream-upload": readStream,
    "/api/file-url-upload": readUrl,
  };
  for (const [path, read] of Object.entries(readers)) {
    app.post(path, async (c) => {
      const { account } = accounts.authenticate(c.req.header("authorization"));
      const { bytes, uploadPath, fileName } = await read(c.req.raw);
      const mimeType = sniff(bytes);
      const name = readName(fileName) ?? `${crypto.randomUUID()}.${mimeType.split("/")[1]}`;
      const filePath = `${readPath(uploadPath)}/${name}`;
      const stored = `${account.name}/${filePath}`;
      await files.put(stored, bytes, mimeType);
      const data = {
        fileName: name,
        filePath,
        downloadUrl: `${fileBase(c)}/${stored.split("/").map(encodeURIComponent).join("/")}`,
        fileSize: bytes.length,
        mimeType,
        uploadedAt: new Date().toISOString(),
      };
      return c.json({ success: true, code: 200, msg: "File uploaded successfully", data });
    });
  }
  app.all("*", () => refuseRoute(faults));
  return app;
}

async function readBase64(request: Request): Promise<Upload> {
  const body = await readJson(request);
  if (typeof body.base64Data !== "string") throw new Refusal(400, "base64Data is required");
  try {
    const base64 = body.base64Data.replace(/^data:[^,]*,/, "");
    return { ...names(body), bytes: Uint8Array.fromBase64(base64) };
  } catch {
    throw new Refusal(400, "base64Data is no valid Base64");
  }
}

async function readStream(request: Request): Promise<Upload> {
  const form = await request.formData().catch(() => undefined);
  const file = form?.get("file");
  if (!(file instanceof File)) throw new Refusal(400, "file is required, as multipart/form-data");
  const fileName = form?.get("fileName") ?? file.name;
  return { bytes: await file.bytes(), uploadPath: form?.get("uploadPath"), fileName };
}

async function readUrl(request: Request): Promise<Upload> {
  const body = await readJson(request);
  if (typeof body.fileUrl !== "string" || !/^https?:\/\//.test(body.fileUrl)) {
    throw new Refusal(400, "fileUrl must be an http(s) URL");
  }
  try {
    const response = await fetch(body.fileUrl, { signal: AbortSignal.timeout(FETCH_DEADLINE_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return { ...names(body), bytes: await response.bytes() };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Refusal(500, `fileUrl could not be fetched: ${reason}`);
  }
}

async function readJson(request: Request): Promise<Record<string, unknown>> {
  const body = await request.json().catch(() => undefined);
  if (typeof body !== "object" || body === null) {
    throw new Refusal(400, "The body must be a JSON object");
  }
  return body;
}

function names(body: Record<string, unknown>) {
  return { uploadPath: body.uploadPath, fileName: body.fileName };
}

function readPath(value: unknown): string {
  if (typeof value !== "string" || value === "") throw new Refusal(400, "uploadPath is required");
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(value) || value.length > 100) {
    throw new Refusal(400, "uploadPath must be names joined by /, without one at the ends");
  }
  return value;
}

function readName(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string" && /^[^/\\\0]{1,60}$/.test(value)) return value;
  throw new Refusal(400, "fileName must be a name of at most 60 characters without slashes");
}

function sniff(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  if (head.startsWith("\x89PNG")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (head.startsWith("RIFF") && head.endsWith("WEBP")) return "image/webp";
  return "application/octet-stream";
}
