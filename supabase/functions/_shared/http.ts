import type { Context } from "hono";
import { contextStorage, tryGetContext } from "hono/context-storage";
import { cors } from "hono/cors";
import { Hono } from "hono/quick"; // its router is slower by 0.01 ms a request, and sooner ready by 1
import { z, type ZodError, type ZodType } from "zod";
import { MissingVariableError, optionalEnv } from "./env.ts";
import {
  ApiError,
  type ErrorCode,
  type FieldError,
  invalidField,
  languageOf,
  messageOf,
  statusOf,
} from "./errors.ts";
import { currentLine, describeError, log, RequestLine } from "./log.ts";

// Compiled schemas are twice as fast, which is 0.1 ms for a page of 200 rows: compiling costs every cold start 2.
z.config({ jitless: true });

/** What every request carries through its handlers. */
export interface Variables {
  requestId: string;
  /** The request's log line. */
  line: RequestLine;
}
export type AppContext = Context<{ Variables: Variables }>;
export type App = Hono<{ Variables: Variables }>;

/** The id of the request that is being answered, also far below its handler; undefined outside of one. */
export function currentRequestId(): string | undefined {
  return tryGetContext<{ Variables: Variables }>()?.get("requestId");
}

/** Runs work after the answer; the platform keeps the process alive for it, and the request's log line waits. */
export function inBackground(work: Promise<unknown>): void {
  const guarded = work.catch((error) =>
    log("error", "background_failed", { error: describeError(error) })
  );
  // deno-lint-ignore no-explicit-any -- a global of the edge runtime that has no types
  (globalThis as any).EdgeRuntime?.waitUntil(guarded);
  currentLine()?.hold(guarded);
}

/**
 * A hono app with what all functions share: request id, CORS, one log line a request, and the error
 * envelope for everything that is thrown, unknown routes included.
 */
export function createApp(name: string): App {
  const app = new Hono<{ Variables: Variables }>().basePath(`/${name}`);

  app.use(contextStorage());
  app.use(async (c, next) => {
    const started = performance.now();
    const inbound = c.req.header("x-request-id") ?? "";
    c.set(
      "requestId",
      /^[A-Za-z0-9_-]{8,64}$/.test(inbound) ? inbound : crypto.randomUUID(),
    );
    const line = new RequestLine();
    c.set("line", line);
    await next();
    const duration = performance.now() - started;
    c.header("x-request-id", c.get("requestId"));
    c.header(
      "server-timing",
      [...line.timings(), ["total", duration] as const]
        .map(([step, ms]) => `${step};dur=${ms.toFixed(1)}`).join(", "),
    );
    if (!c.res.ok) line.isRoutine = false;
    line.note({
      request_id: c.get("requestId"),
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      duration_ms: Math.round(duration * 10) / 10,
    });
    line.close();
  });
  app.use(cors({
    origin: "*",
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    exposeHeaders: ["x-request-id", "server-timing", "retry-after", "etag", "content-disposition"],
    maxAge: 86400,
  }));
  app.notFound((c) => {
    // A path that another method serves is not unknown.
    const allowed = [
      ...new Set(
        app.routes.filter((r) => r.method !== "ALL" && matches(r.path, c.req.path)).map((r) =>
          r.method
        ),
      ),
    ];
    if (allowed.length === 0) return renderError(c, new ApiError("NOT_FOUND"));
    c.header("allow", allowed.join(", "));
    return renderError(c, new ApiError("METHOD_NOT_ALLOWED"));
  });
  app.onError((error, c) => renderError(c, error));
  return app;
}

function matches(pattern: string, path: string): boolean {
  const expected = pattern.split("/");
  const actual = path.replace(/\/$/, "").split("/");
  return expected.length === actual.length &&
    expected.every((part, i) => {
      if (!part.startsWith(":")) return part === actual[i];
      // A parameter, `:name` or `:name{pattern}`.
      const condition = /\{(.+)\}$/.exec(part)?.[1] ?? ".+";
      return new RegExp(`^(?:${condition})$`).test(actual[i] ?? "");
    });
}

/** Renders the one error envelope; what is not an ApiError is logged and becomes INTERNAL or UNAVAILABLE. */
export function renderError(c: AppContext, error: unknown, more: Record<string, unknown> = {}) {
  const known = toApiError(error);
  if (statusOf(known.code) >= 500 && known.code !== "MAINTENANCE") {
    log("error", "request_failed", { error: describeError(error) });
  }
  c.get("line").note({ error: known.code });
  if (known.retryAfter !== undefined) {
    c.header("retry-after", String(known.retryAfter));
  }
  return c.json({
    success: false,
    error: known.code,
    message: messageOf(known.code, languageOf(c.req.header("accept-language"))),
    request_id: c.get("requestId"),
    ...(known.details && { details: known.details }),
    ...more,
  }, statusOf(known.code) as 400);
}

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const code: ErrorCode = error instanceof MissingVariableError ? "UNAVAILABLE" : "INTERNAL";
  return new ApiError(code, { cause: error });
}

/**
 * Reads a JSON body of at most `maxBytes`; an empty one is an object without fields.
 * @throws {ApiError} UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, or INVALID_INPUT when it is no JSON object
 */
export async function readJson(
  request: Request,
  maxBytes: number,
): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type");
  const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(type ?? "");
  if (type !== null && !isJson) throw new ApiError("UNSUPPORTED_MEDIA_TYPE");
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) {
    throw new ApiError("PAYLOAD_TOO_LARGE");
  }
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  // The length above is the sender's word; this counts.
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new ApiError("PAYLOAD_TOO_LARGE");
    text += decoder.decode(chunk, { stream: true });
  }
  if (size === 0) return {};
  if (!isJson) throw new ApiError("UNSUPPORTED_MEDIA_TYPE");
  let body: unknown;
  try {
    body = JSON.parse(text + decoder.decode(), refuseUnstorable);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw invalidField("", "the body is not valid JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalidField("", "the body must be a JSON object");
  }
  return body as Record<string, unknown>;
}

/**
 * JSON and addresses can spell text that no database stores: U+0000, and halves of characters. For
 * `JSON.parse`, which it passes every value through.
 * @throws {ApiError} INVALID_INPUT
 */
export function refuseUnstorable(key: string, value: unknown): unknown {
  if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) {
    throw invalidField(key, "contains characters that cannot be stored");
  }
  return value;
}

/** Validates a value. @throws {ApiError} INVALID_INPUT with every invalid field named */
export function parse<T>(schema: ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ApiError("INVALID_INPUT", { details: fieldErrors(result.error) });
}

function fieldErrors(error: ZodError): FieldError[] {
  return error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({
        field: [...issue.path, key].join("."),
        message: "unknown field",
      }))
      : [{ field: issue.path.join("."), message: issue.message }]
  );
}

/**
 * The client's address as the platform vouches for it: the header named by CABINA_CLIENT_IP_HEADER.
 * Null without that variable: then all clients share one bucket.
 */
export function clientAddress(request: Request): string | null {
  const header = optionalEnv("CABINA_CLIENT_IP_HEADER");
  return header === undefined ? null : request.headers.get(header)?.split(",")[0]?.trim() || null;
}
