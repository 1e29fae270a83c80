import { inBackground } from "../_shared/http.ts";
import { timed } from "../_shared/log.ts";
import { dispatchQueued } from "./dispatch.ts";
import { checkDue } from "./finish.ts";
import { type GenerationStatus, getGeneration, isFinished } from "./generations.ts";
import type { Provider } from "./provider/provider.ts";
import { pauseUnlessWoken } from "./waiters.ts";

/** Pauses between two looks at a generation that somebody waits for: longer while the end is far. */
const PAUSE_MS = { least: 1_000, most: 5_000, perSecondLeft: 250 };
/** Each poll sends the next photo on its way, and a few more that may have been left behind. */
const DISPATCH_LIMIT = 4;
/** Longest that an answer waits for the provider's, for whom it may be the picture. */
const LOOK_MS = 3_000;

/**
 * Looks after a generation until it is finished or `seconds` are over, and returns its last status: moves it
 * on whenever the database says that it is time, and else only reads its status.
 */
export async function waitForGeneration(
  provider: Provider,
  status: GenerationStatus,
  userId: string | null,
  seconds: number,
): Promise<GenerationStatus> {
  const deadline = Date.now() + seconds * 1000;
  while (!isFinished(status)) {
    const isMoved = status.is_due && await moveOn(provider, status, deadline);
    const left = deadline - Date.now();
    if (left <= 0 && !isMoved) return status;
    if (left > 0 && !isMoved) {
      const pause = pauseUnlessWoken(status.generation_id, Math.min(pauseFor(status), left));
      await timed("pause", pause, { outside: true });
    }
    status = await timed("status", getGeneration(status.generation_id, userId));
    // The room that it leaves is for who waits.
    if (isMoved && isFinished(status)) inBackground(dispatchQueued(provider, DISPATCH_LIMIT));
    if (left <= 0) return status;
  }
  return status;
}

/** Does what is due, and returns whether the status may be another now. */
async function moveOn(
  provider: Provider,
  status: GenerationStatus,
  deadline: number,
): Promise<boolean> {
  if (status.state === "waiting") {
    inBackground(dispatchQueued(provider, DISPATCH_LIMIT));
    return false;
  }
  const look = checkDue(provider, 1, status.generation_id);
  inBackground(look);
  const patience = Math.max(LOOK_MS, deadline - Date.now());
  return await Promise.race([
    look.then((checked) => checked > 0, () => false),
    new Promise<false>((resolve) => setTimeout(resolve, patience, false)),
  ]);
}

function pauseFor({ eta_seconds }: GenerationStatus): number {
  const pause = (eta_seconds ?? 0) * PAUSE_MS.perSecondLeft;
  return Math.min(Math.max(pause, PAUSE_MS.least), PAUSE_MS.most);
}
