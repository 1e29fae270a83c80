import { round } from "./figures.ts";

const UPLOADS = 20;
/** Just below what storage takes. */
const BYTES = 10 * 1024 * 1024 - 1024;

/**
 * By how many megabytes the function process grows while 20 guests at once upload 10 MB each through signed
 * addresses and have their pictures made. Nothing where the system does not tell.
 */
export async function measureUploads(): Promise<Record<string, number>> {
  const tests = "../../supabase/functions/tests";
  const { createEvent, finished, uploadSelfie } = await import(`${tests}/fixtures.ts`);
  const { guestRequest, makePhoto } = await import(`${tests}/photos.ts`);
  const { callFunction, controlProvider, stack } = await import(`${tests}/stack.ts`);
  const { findProcess, usageOf } = await import(`${tests}/process_usage.ts`);
  const process = await findProcess("cabina-vision", stack.api_url);
  if (process === null) return {};
  const event = await createEvent({ credits: 3 * UPLOADS });
  await controlProvider({ long_edge: 2048 });

  const play = async (photo: Uint8Array) => {
    const { user_photo: _inline, ...request } = await guestRequest(event.slug);
    const selfie = await uploadSelfie(event.slug, photo);
    const guest_id = crypto.randomUUID();
    const { body } = await callFunction("cabina-vision", { ...request, ...selfie, guest_id });
    await finished(body.generation_id);
  };
  // What every process needs once is not the uploads' doing.
  const small = await makePhoto();
  await Promise.all(Array.from({ length: UPLOADS }, () => play(small)));
  const large = new Uint8Array(BYTES);
  large.set(small);

  const { residentBytes: before } = await usageOf(process);
  let peak = before;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      peak = Math.max(peak, (await usageOf(process)).residentBytes);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  await Promise.all(Array.from({ length: UPLOADS }, () => play(large)));
  isOver = true;
  await watching;
  const megabytes = (bytes: number) => round(bytes / 1024 / 1024);
  return {
    uploads: UPLOADS,
    upload_mb: megabytes(BYTES),
    memory_before_mb: megabytes(before),
    memory_peak_mb: megabytes(peak),
    memory_growth_mb: megabytes(peak - before),
    memory_goal_mb: 40,
  };
}
