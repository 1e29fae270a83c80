import { authenticate } from "../../_shared/auth.ts";
import { rpc } from "../../_shared/database.ts";
import { type AppContext, clientAddress, ok, parse, readJson } from "../../_shared/http.ts";
import { signedUploadUrl } from "../../_shared/storage.ts";
import { uploadUrlRequest } from "../schemas.ts";

const extensions = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" } as const;

/** `POST /cabina-vision/upload-url`: a place for one selfie, for a user or a guest of an open event. */
export async function postUploadUrl(c: AppContext) {
  const { userId } = await authenticate(c.req.raw);
  const request = parse(uploadUrlRequest, await readJson(c.req.raw, 10_000));
  const path = await rpc<string>("issue_photo_upload", {
    p_extension: extensions[request.content_type],
    p_user_id: userId,
    p_event_slug: request.event_slug ?? null,
    p_event_key: request.k ?? null,
    p_client_address: clientAddress(c.req.raw),
  });
  const { signedUrl, token } = await signedUploadUrl("user_photos", path);
  return ok(c, { photo_path: path, signed_url: signedUrl, token });
}
