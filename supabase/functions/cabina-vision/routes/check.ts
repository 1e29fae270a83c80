import { inBackground } from "../../_shared/http.ts";
import { getProvider } from "../config.ts";
import { dispatchQueued } from "../dispatch.ts";
import { type GenerationStatus, getGeneration, isFinished } from "../generations.ts";
import { waitForGeneration } from "../wait.ts";

/** `action: "check"`: how a photo is doing. Each poll also moves the queue. */
export async function check(
  request: { generationId: string; wait: number },
  userId: string | null,
): Promise<GenerationStatus> {
  const status = await getGeneration(request.generationId, userId);
  if (isFinished(status)) return status;
  const provider = getProvider();
  if (status.state === "waiting") inBackground(dispatchQueued(provider, 1));
  return await waitForGeneration(provider, status, userId, request.wait);
}
