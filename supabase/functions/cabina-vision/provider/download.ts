import { crashPoint } from "../../_shared/crash_point.ts";
import { describeError } from "../../_shared/log.ts";
import { isLoopback } from "../../_shared/env.ts";
import { sniffPhoto } from "../photo.ts";
import type { Picture } from "./provider.ts";

/** Largest picture that is copied; a 4K PNG stays below it. */
const MAX_PICTURE_BYTES = 50 * 1024 * 1024;
/** Longest time for headers and body of a picture. */
const TIMEOUT_MS = 60_000;
/** Longest time between two chunks: less than storage waits for the next, so that the right one is blamed. */
const STALL_MS = 8_000;

interface DownloadOptions {
  hosts: string[];
  userAgent: string;
  /** Asks for a fresh link in place of a dead one; null when there is none. */
  renew(url: string): Promise<string | null>;
}

/**
 * Opens the first link that leads to a picture, renewing links that died. The body is streamed: it
 * errors when it grows beyond the cap.
 * @throws {Error} when no link leads to a picture; its message says why for each
 */
export async function openPicture(urls: string[], options: DownloadOptions): Promise<Picture> {
  const reasons: string[] = [];
  for (const url of urls) {
    for (const find of [() => url, () => options.renew(url)]) {
      try {
        const link = await find();
        if (link !== null) return await open(link, options);
      } catch (error) {
        reasons.push(describeError(error));
      }
    }
  }
  throw new Error(reasons.join("; ") || "the task succeeded without a link");
}

async function open(url: string, options: DownloadOptions): Promise<Picture> {
  const { protocol, host } = new URL(url);
  // The links are the provider's word: they must not make us fetch from anywhere else.
  if (!options.hosts.includes(host)) throw new Error(`host ${host} is not in KIE_RESULT_HOSTS`);
  if (protocol !== "https:" && !isLoopback(url)) throw new Error("result links must be https");

  // No API key: result hosts are plain file servers. No redirects: they would leave the allow list.
  const response = await fetch(url, {
    headers: { "user-agent": options.userAgent },
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the link answered ${response.status}`);
  }
  return await peek(response.body);
}

/** The next chunk. @throws {Error} when none comes for a while, though the connection stays open */
async function readInTime(reader: ReadableStreamDefaultReader<Uint8Array>) {
  let timer: ReturnType<typeof setTimeout>;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the picture stalled on its way")), STALL_MS);
  });
  return await Promise.race([reader.read(), stalled]).finally(() => clearTimeout(timer));
}

/** Reads the first chunk to tell the type by its bytes, and puts it back in front. */
async function peek(body: ReadableStream<Uint8Array>): Promise<Picture> {
  const reader = body.getReader();
  let head = new Uint8Array();
  while (head.length < 12) {
    const { done, value } = await readInTime(reader);
    if (done) break;
    const joined = new Uint8Array(head.length + value.length);
    joined.set(head);
    joined.set(value, head.length);
    head = joined;
  }
  const type = sniffPhoto(head);
  if (type === null) {
    await reader.cancel();
    throw new Error("the link leads to no picture");
  }
  let size = head.length;
  let failure: unknown;
  return {
    contentType: type.contentType,
    failure: () => failure,
    body: new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(head),
      async pull(controller) {
        try {
          const { done, value } = await readInTime(reader);
          crashPoint("8-half-copied");
          if (done) return controller.close();
          size += value.length;
          if (size > MAX_PICTURE_BYTES) {
            throw new Error(`the picture is larger than ${MAX_PICTURE_BYTES} bytes`);
          }
          controller.enqueue(value);
        } catch (error) {
          failure = error;
          reader.cancel().catch(() => {});
          controller.error(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    }),
  };
}
