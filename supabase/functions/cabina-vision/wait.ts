import { checkDue } from "./finish.ts";
import { type GenerationStatus, getGeneration, isFinished } from "./generations.ts";
import type { Provider } from "./provider/provider.ts";

/** Between two looks at a generation that somebody waits for. */
const INTERVAL_MS = 700;

/**
 * Looks after a generation until it is finished or `seconds` are over, and returns its last status.
 * One query a look; the provider is asked only when the database says that it is time.
 */
export async function waitForGeneration(
  provider: Provider,
  status: GenerationStatus,
  userId: string | null,
  seconds: number,
): Promise<GenerationStatus> {
  const deadline = Date.now() + seconds * 1000;
  while (!isFinished(status)) {
    if (status.is_check_due) await checkDue(provider, 1, status.generation_id);
    const left = deadline - Date.now();
    if (left <= 0 && !status.is_check_due) return status;
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(INTERVAL_MS, left)));
    status = await getGeneration(status.generation_id, userId);
    if (left <= 0) return status;
  }
  return status;
}
