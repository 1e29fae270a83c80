import { join } from "node:path";

/** A stack that was just told to stop takes about as long. */
const PATIENCE_MS = 2_000;

/**
 * Takes the data folder for this process alone, so that two stacks never meet in one database.
 * The system gives the folder free when the process ends, however it ends. Returns how to give it
 * free before; throws an Error when another stack keeps it.
 */
export async function lockFolder(dataDir: string): Promise<() => void> {
  const file = await Deno.open(join(dataDir, "lock"), { create: true, write: true });
  const deadline = Date.now() + PATIENCE_MS;
  while (!await file.tryLock(true)) {
    if (Date.now() > deadline) {
      file.close();
      throw new Error(
        `Another stack uses ${dataDir}: stop it, or set CABINA_DATA_DIR to a folder of its own`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return () => file.close();
}
