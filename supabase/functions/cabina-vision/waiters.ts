/**
 * Who waits for a photo in this process. A callback that arrives here too need not be discovered by the
 * next look; one that arrives at another process is.
 */
const waiters = new Map<string, Set<() => void>>();

/** The photo has come to an end, or may have. */
export function wake(generationId: string): void {
  for (const resolve of waiters.get(generationId) ?? []) resolve();
}

/** Settles after `ms`, or as soon as the photo may have come to an end. */
export async function pauseUnlessWoken(generationId: string, ms: number): Promise<void> {
  const others = waiters.get(generationId) ?? new Set();
  waiters.set(generationId, others);
  let timer: ReturnType<typeof setTimeout>;
  let resolve: () => void;
  await new Promise<void>((settle) => {
    resolve = settle;
    others.add(settle);
    timer = setTimeout(settle, ms);
  });
  clearTimeout(timer!);
  others.delete(resolve!);
  if (others.size === 0) waiters.delete(generationId);
}
