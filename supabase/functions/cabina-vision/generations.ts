import { z } from "zod";
import { rpc } from "../_shared/database.ts";
import { generationErrors, type Language, messageOf } from "../_shared/errors.ts";
import { signedUrl } from "../_shared/storage.ts";

/** The row of `public.generation_status`. */
export interface GenerationStatus {
  generation_id: string;
  state: "waiting" | "processing" | "success" | "fail";
  image_url: string | null;
  image_bucket: string | null;
  image_path: string | null;
  error: (typeof generationErrors)[number] | null;
  refunded: boolean;
  queue_position: number | null;
  eta_seconds: number | null;
  progress: number;
  /** Whoever looks at it should move it on: dispatch the queue while it waits, else ask the provider. */
  is_due: boolean;
  photo_path: string | null;
}

/** Whether nothing more will happen to the photo while somebody waits for it. */
export function isFinished(status: GenerationStatus): boolean {
  return status.state === "success" || status.state === "fail";
}

/** The status of a generation, for its owner or for whoever holds a guest's id. @throws {ApiError} */
export function getGeneration(id: string, userId: string | null): Promise<GenerationStatus> {
  return rpc("get_generation", { p_generation_id: id, p_user_id: userId });
}

/** What a client is told of a generation. */
export const generationAnswer = z.object({
  generation_id: z.uuid(),
  state: z.enum(["waiting", "processing", "success", "fail"]),
  progress: z.number().min(0).max(1),
  image_url: z.url().nullable().optional().describe(
    "With success. For ten minutes, and for this person alone, while the picture is not public",
  ),
  error: z.enum(generationErrors).optional().describe("With fail: why"),
  message: z.string().optional().describe("The error for people"),
  refunded: z.boolean().optional().describe("Whether the credit was returned; once finished"),
  queue_position: z.int().optional(),
  eta_seconds: z.int().optional(),
});

/** What a client is told: only fields that mean something in this state. */
export async function toAnswer(status: GenerationStatus, language: Language) {
  return {
    generation_id: status.generation_id,
    state: status.state,
    progress: status.progress,
    ...(status.state === "success" && { image_url: await imageUrl(status) }),
    ...(status.error !== null && {
      error: status.error,
      message: messageOf(status.error, language),
    }),
    ...(isFinished(status) && { refunded: status.refunded }),
    ...(status.queue_position !== null && { queue_position: status.queue_position }),
    ...(status.eta_seconds !== null && { eta_seconds: status.eta_seconds }),
  };
}

/** The public address, or one for this person alone while the picture waits for approval or is hidden. */
async function imageUrl(status: GenerationStatus): Promise<string | null> {
  if (status.image_url !== null || status.image_bucket === null || status.image_path === null) {
    return status.image_url;
  }
  return await signedUrl(status.image_bucket, status.image_path);
}
