import { z } from "zod";
import { publicObjectUrl, signedUploadUrl } from "../../_shared/storage.ts";

/** What an uploaded logo may be. */
export const logoRequest = z.strictObject({
  content_type: z.enum(["image/png", "image/jpeg", "image/webp"]),
});

/** Where to upload a logo, and where it can be seen then. */
export const logoUpload = z.object({
  path: z.string(),
  signed_url: z.url(),
  token: z.string(),
  public_url: z.url(),
});

export const logoDescription =
  "Upload up to 2 MB, then set `logo_url` to `public_url`, with `?v=` and something new behind it, " +
  "or browsers go on showing the earlier one.";

/** An address to upload a logo to, in place of an earlier one. @throws {ApiError} UNAVAILABLE */
export async function offerLogoUpload(
  path: string,
): Promise<z.input<typeof logoUpload>> {
  const { signedUrl, token } = await signedUploadUrl("event_assets", path, {
    upsert: true,
  });
  return {
    path,
    signed_url: signedUrl,
    token,
    public_url: publicObjectUrl("event_assets", path),
  };
}
