import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { clientAddress } from "../../_shared/http.ts";
import { route } from "../../_shared/route.ts";
import { signedUploadUrl } from "../../_shared/storage.ts";
import { uploadUrlRequest } from "../schemas.ts";

const extensions = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" } as const;

export const issueUploadUrl = route({
  method: "post",
  path: "/upload-url",
  credential: "caller",
  summary: "A place for one selfie, for a user or a guest of an open event.",
  description: "Upload to `signed_url`, or with supabase-js by `token`; then send `photo_path`.",
  body: uploadUrlRequest,
  answer: z.object({ photo_path: z.string(), signed_url: z.url(), token: z.string() }),
  errors: [
    "EVENT_NOT_FOUND",
    "EVENT_SOLD_OUT",
    "FORBIDDEN",
    "EVENT_NOT_STARTED",
    "EVENT_ENDED",
    "EVENT_PAUSED",
    "RATE_LIMITED",
  ],
  async handle({ c, actor, body }) {
    const path = await rpc<string>("issue_photo_upload", {
      p_extension: extensions[body.content_type],
      p_user_id: actor.userId,
      p_event_slug: body.event_slug ?? null,
      p_event_key: body.k ?? null,
      p_client_address: clientAddress(c.req.raw),
    });
    const { signedUrl, token } = await signedUploadUrl("user_photos", path);
    return { photo_path: path, signed_url: signedUrl, token };
  },
});
