import { describeError } from "../_shared/log.ts";
import { firstBytes, read, signedUrls } from "../_shared/storage.ts";
import type { Provider } from "./provider/provider.ts";

/** How long the provider may fetch the selfie: 30 minutes. */
const PHOTO_SECONDS = 1800;

/** Where the provider finds a selfie, or why it cannot: `isGone` when no other try will find it. */
export type PhotoAddress =
  | { kind: "there"; url: string }
  | { kind: "not_there"; isGone: boolean; detail: string };

/**
 * For each job where the provider finds its selfie: at an address that we sign, all in one request, or as a
 * copy at the provider's upload host. Never throws.
 */
export async function photoAddresses(
  provider: Provider,
  jobs: { photo_path: string; api_key: string }[],
): Promise<PhotoAddress[]> {
  if (provider.upload !== null) return await Promise.all(jobs.map((job) => copy(provider, job)));
  try {
    const urls = await signedUrls("user_photos", jobs.map((job) => job.photo_path), PHOTO_SECONDS);
    return await Promise.all(jobs.map(async ({ photo_path }): Promise<PhotoAddress> => {
      const url = urls.get(photo_path);
      return url === undefined ? await explain(photo_path) : { kind: "there", url };
    }));
  } catch (error) {
    const detail = describeError(error);
    return jobs.map(() => ({ kind: "not_there", isGone: false, detail }));
  }
}

/** Storage signs no address of an object that it does not have; now and then it is not asked in vain. */
async function explain(path: string): Promise<PhotoAddress> {
  const isGone = await firstBytes("user_photos", path, 1) === null;
  return { kind: "not_there", isGone, detail: "storage signed no address of the selfie" };
}

async function copy(
  provider: Provider,
  job: { photo_path: string; api_key: string },
): Promise<PhotoAddress> {
  try {
    const photo = await read("user_photos", job.photo_path);
    const name = `${crypto.randomUUID()}.${job.photo_path.split(".").pop()}`;
    return {
      kind: "there",
      url: await provider.upload!(job.api_key, photo, name),
    };
  } catch (error) {
    return { kind: "not_there", isGone: false, detail: describeError(error) };
  }
}
