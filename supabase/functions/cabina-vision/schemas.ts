import { z } from "zod";
import { idempotencyKey, slug } from "../_shared/fields.ts";

/** What clients send. Unknown fields are refused everywhere. */

const wait = z.number().min(0).max(50).default(0)
  .describe("Seconds to wait for the picture before answering");
const eventKey = z.string().min(1).max(128).describe("The key in the event's printed QR code");

const aspectRatios = ["1:1", "4:3", "3:4", "16:9", "9:16", "4:5"] as const;

const generateRequest = z.strictObject({
  action: z.literal("generate").optional(),
  user_photo: z.string().startsWith("data:", "must be a data URL, not an address").optional()
    .describe("JPEG, PNG or WebP of at most 7 MB, as a data URL"),
  photo_path: z.string().regex(
    /^(?:guests\/[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/[A-Za-z0-9._-]{1,128}$/,
    "not a path that upload-url hands out",
  ).optional(),
  model_id: z.string().regex(/^[a-z0-9][a-z0-9_]{1,62}$/, "not a style id"),
  aspect_ratio: z.enum(aspectRatios).default("3:4"),
  event_id: z.uuid().optional(),
  event_slug: slug.optional(),
  k: eventKey.optional(),
  guest_id: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, "8 to 64 of A-Z a-z 0-9 _ -").optional(),
  idempotency_key: idempotencyKey.optional(),
  wait,
  email: z.email().max(254).optional().describe(
    "Gets the picture by e-mail, where that is switched on; forgotten once it is sent",
  ),
  phone: z.string().regex(/^\+[1-9]\d{6,14}$/, "not an international phone number (+5491112345678)")
    .optional().describe("Gets the picture by WhatsApp, where that is switched on"),
  user_id: z.uuid().optional().describe("Compared with the token's, never believed"),
}).superRefine((body, context) => {
  const refuse = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message });
  if ((body.user_photo === undefined) === (body.photo_path === undefined)) {
    refuse("user_photo", "send exactly one of user_photo and photo_path");
  }
  const isForEvent = body.event_id !== undefined || body.event_slug !== undefined;
  if (isForEvent && body.idempotency_key !== undefined && body.guest_id === undefined) {
    refuse("guest_id", "an idempotency_key at an event needs a guest_id");
  }
});

const checkRequest = z.strictObject({
  action: z.literal("check"),
  generation_id: z.uuid().optional(),
  taskId: z.uuid().optional().describe("Another name of generation_id"),
  wait,
}).transform((body, context) => {
  const id = body.generation_id ?? body.taskId;
  if (id === undefined || (body.taskId ?? id) !== id) {
    context.addIssue({
      code: "custom",
      path: ["generation_id"],
      message: "send the generation's id",
    });
    return z.NEVER;
  }
  return { action: body.action, generationId: id, wait: body.wait };
});

/** `POST /cabina-vision`: generate, or check when `action` says so. */
export const photoRequest = z.discriminatedUnion("action", [generateRequest, checkRequest]);

export const uploadUrlRequest = z.strictObject({
  content_type: z.enum(["image/jpeg", "image/png", "image/webp"]),
  event_slug: slug.optional(),
  k: eventKey.optional(),
});

/** The query of the callback address that we gave the provider. */
export const callbackQuery = z.object({
  generation: z.uuid(),
  attempt: z.coerce.number().int().positive(),
  token: z.string().regex(/^[0-9a-f]{48}$/),
});
