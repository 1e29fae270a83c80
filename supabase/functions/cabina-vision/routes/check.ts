import { languageOf } from "../../_shared/errors.ts";
import { type AppContext, inBackground, ok } from "../../_shared/http.ts";
import { getProvider } from "../config.ts";
import { dispatchQueued } from "../dispatch.ts";
import { getGeneration, isFinished, toAnswer } from "../generations.ts";
import { waitForGeneration } from "../wait.ts";

/** `POST /cabina-vision` with `action: "check"`: how a photo is doing. Each poll also moves the queue. */
export async function check(
  c: AppContext,
  request: { generationId: string; wait: number },
  userId: string | null,
) {
  let status = await getGeneration(request.generationId, userId);
  if (!isFinished(status)) {
    const provider = getProvider();
    if (status.state === "waiting") inBackground(dispatchQueued(provider, 1));
    status = await waitForGeneration(provider, status, userId, request.wait);
  }
  return ok(c, await toAnswer(status, languageOf(c.req.header("accept-language"))));
}
