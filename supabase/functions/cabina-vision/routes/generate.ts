import type { z } from "zod";
import type { Caller } from "../../_shared/auth.ts";
import { crashPoint } from "../../_shared/crash_point.ts";
import { rpc } from "../../_shared/database.ts";
import { ApiError, invalidField, languageOf, statusOf } from "../../_shared/errors.ts";
import { type AppContext, clientAddress, inBackground } from "../../_shared/http.ts";
import { timed } from "../../_shared/log.ts";
import { route } from "../../_shared/route.ts";
import { firstBytes, remove, store } from "../../_shared/storage.ts";
import { getProvider } from "../config.ts";
import { dispatchQueued } from "../dispatch.ts";
import { generationAnswer, type GenerationStatus, isFinished, toAnswer } from "../generations.ts";
import { readDataUrl, sha256, sniffPhoto } from "../photo.ts";
import { leaveContacts } from "../messages/messages.ts";
import { photoRequest } from "../schemas.ts";
import { waitForGeneration } from "../wait.ts";
import { check } from "./check.ts";

/** A 7 MB photo in base64 and the fields around it. */
const MAX_BODY_BYTES = 10 * 1024 * 1024;
/** Each request sends its own photo on its way, and one more that may have been left behind. */
const DISPATCH_LIMIT = 2;

export const generateOrCheck = route({
  method: "post",
  path: "/",
  credential: "caller",
  summary: 'Makes a photo; with `action: "check"`, says how one is doing.',
  description:
    "202 with the id of the photo, or 200 when it finished within `wait`. A photo at an event " +
    "is paid by the event and readable by whoever holds its id; one that a user pays needs their " +
    "token, to make and to check. The same request with the same `idempotency_key` is made and " +
    "charged once.",
  body: photoRequest,
  maxBodyBytes: MAX_BODY_BYTES,
  answer: generationAnswer,
  status: [202, 200],
  errors: [
    "INVALID_IMAGE",
    "INSUFFICIENT_CREDITS",
    "EVENT_SOLD_OUT",
    "FORBIDDEN",
    "EVENT_NOT_STARTED",
    "EVENT_ENDED",
    "EVENT_PAUSED",
    "STYLE_NOT_OFFERED",
    "STYLE_LOCKED",
    "EVENT_NOT_FOUND",
    "STYLE_NOT_FOUND",
    "GENERATION_NOT_FOUND",
    "IDEMPOTENCY_CONFLICT",
    "PAYLOAD_TOO_LARGE",
    "RATE_LIMITED",
    "GUEST_LIMIT_REACHED",
    "MAINTENANCE",
  ],
  async handle({ c, actor, body }) {
    const status = body.action === "check"
      ? await check(c, body, actor.userId)
      : await generate(c, body, actor.userId);
    c.status(body.action === "check" || isFinished(status) ? 200 : 202);
    return await toAnswer(status, languageOf(c.req.header("accept-language")));
  },
});

type GenerateRequest = Exclude<z.output<typeof photoRequest>, { action: "check" }>;

async function generate(c: AppContext, request: GenerateRequest, userId: Caller["userId"]) {
  if (request.user_id !== undefined && request.user_id !== userId) throw new ApiError("FORBIDDEN");
  const isForEvent = request.event_id !== undefined || request.event_slug !== undefined;
  if (userId === null && !isForEvent) throw new ApiError("UNAUTHENTICATED");
  const provider = getProvider(); // Not configured: nothing is charged.

  const photo = await timed(
    "photo",
    request.user_photo !== undefined
      ? storeInlinePhoto(request.user_photo, isForEvent ? null : userId)
      : checkUploadedPhoto(request.photo_path!),
  );

  let status: GenerationStatus;
  try {
    status = await timed(
      "begin",
      rpc<GenerationStatus>("begin_generation", {
        p_style_id: request.model_id,
        p_aspect_ratio: request.aspect_ratio,
        p_photo_path: photo.path,
        p_photo_hash: photo.hash,
        p_user_id: userId,
        p_event_id: request.event_id ?? null,
        p_event_slug: request.event_slug ?? null,
        p_event_key: request.k ?? null,
        p_guest_id: request.guest_id ?? null,
        p_idempotency_key: request.idempotency_key ?? null,
        p_client_address: clientAddress(c.req.raw),
        p_request_id: c.get("requestId"),
      }),
    );
  } catch (error) {
    // Without an answer the photo may have begun: then it needs its selfie, and otherwise the day's purge gets it.
    const isRefused = error instanceof ApiError && statusOf(error.code) < 500;
    if (photo.hash !== null && isRefused) {
      inBackground(remove("user_photos", [photo.path]));
    }
    throw error;
  }
  // The same request again: its first photo is the one that counts.
  if (photo.hash !== null && status.photo_path !== photo.path) {
    inBackground(remove("user_photos", [photo.path]));
  }

  c.get("line").note({ generation_id: status.generation_id });
  crashPoint("2-begun");
  // A repeated request leaves it again, should we die before this.
  if (request.email !== undefined || request.phone !== undefined) {
    const language = languageOf(c.req.header("accept-language"));
    await timed("contacts", leaveContacts(status.generation_id, request, language));
  }
  if (request.wait > 0) {
    return await waitForGeneration(provider, status, isForEvent ? null : userId, request.wait);
  }
  if (status.is_due) inBackground(dispatchQueued(provider, DISPATCH_LIMIT));
  return status;
}

interface Photo {
  path: string;
  /** sha-256 of the bytes of a data URL; null when the client uploaded the photo itself. */
  hash: string | null;
}

async function storeInlinePhoto(dataUrl: string, userId: string | null): Promise<Photo> {
  const { bytes, type } = readDataUrl(dataUrl);
  const hash = await sha256(bytes);
  const folder = userId ?? `guests/${crypto.randomUUID().replaceAll("-", "")}`;
  const path = `${folder}/${crypto.randomUUID()}.${type.extension}`;
  await store("user_photos", path, bytes, {
    contentType: type.contentType,
    upsert: false,
  });
  crashPoint("1-photo-stored");
  return { path, hash };
}

/** Looks at the first bytes of an upload before anybody is charged for it. */
async function checkUploadedPhoto(path: string): Promise<Photo> {
  const head = await firstBytes("user_photos", path, 12);
  if (head === null) {
    // As begin_generation says of a path that is somebody else's: which paths exist is nobody's business.
    throw invalidField("photo_path", "photo_path was not issued for this request");
  }
  if (sniffPhoto(head) === null) {
    throw new ApiError("INVALID_IMAGE", {
      details: [{ field: "photo_path", message: "not a JPEG, PNG or WebP picture" }],
    });
  }
  return { path, hash: null };
}
