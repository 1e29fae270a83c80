import type { AppContext } from "../../_shared/http.ts";
import { optionalEnv } from "../../_shared/env.ts";
import { timed } from "../../_shared/log.ts";
import { getProvider } from "../config.ts";
import { type GenerationStatus, getGeneration, isFinished } from "../generations.ts";
import { waitForGeneration } from "../wait.ts";

/** `action: "check"`: how a photo is doing. Each poll also moves the queue. */
export async function check(
  c: AppContext,
  request: { generationId: string; wait: number },
  userId: string | null,
): Promise<GenerationStatus> {
  // Three hundred guests who poll every second would drown everything else in the log.
  c.get("line").isRoutine = Math.random() >= Number(optionalEnv("CABINA_LOG_POLLS") ?? 0.05);
  c.get("line").note({ generation_id: request.generationId });
  const status = await timed(
    "status",
    getGeneration(request.generationId, userId),
  );
  if (isFinished(status)) return status;
  return await waitForGeneration(getProvider(), status, userId, request.wait);
}
