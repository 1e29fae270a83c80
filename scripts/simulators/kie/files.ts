import { join } from "node:path";

/** What a stored file does when it is fetched, besides being itself. */
export interface FileHabits {
  /** Epoch milliseconds from which its plain link answers 403. */
  dies_at?: number | undefined;
  content_type?: string | undefined;
  body?: "picture" | "html" | undefined;
  oversize_bytes?: number | undefined;
  stall?: boolean | undefined;
}

interface StoredFile {
  size: number;
  mime: string;
  habits: FileHabits;
}

const LIMIT_BYTES = 1024 ** 3;
const FRESH_LINK_MS = 20 * 60_000;

/**
 * Result files and uploads, on disk, under names that cannot be guessed.
 *
 * What an earlier process left is removed: no task knows it any more. Beyond 1 GiB the oldest files go.
 */
export class Files {
  readonly #files = new Map<string, StoredFile>();
  readonly #freshLinks = new Map<string, { name: string; until: number }>();
  #bytes = 0;

  private constructor(readonly folder: string) {}

  /** @param folder is emptied. */
  static async open(folder: string): Promise<Files> {
    await Deno.remove(folder, { recursive: true }).catch((cause) => {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    });
    await Deno.mkdir(folder, { recursive: true });
    return new Files(folder);
  }

  /** Stores bytes; the same name replaces what it held. */
  async put(name: string, bytes: Uint8Array, mime: string, habits: FileHabits = {}): Promise<void> {
    await this.#remove(name);
    await Deno.writeFile(this.#path(name), bytes);
    this.#files.set(name, { size: bytes.length, mime, habits });
    this.#bytes += bytes.length;
    for (const oldest of this.#files.keys()) {
      if (this.#bytes <= LIMIT_BYTES) break;
      await this.#remove(oldest);
    }
  }

  /**
   * A new link of 20 minutes to a file whose plain link may be dead, as query string. An invented name gets one too, and
   * finds nothing: that is how the provider was measured.
   */
  freshLink(name: string, scale: number): string {
    const token = crypto.randomUUID();
    this.#freshLinks.set(token, { name, until: Date.now() + FRESH_LINK_MS * scale });
    return `?token=${token}`;
  }

  /** Answers a request for a file, with the habits it was given. */
  async respond(name: string, token: string | undefined): Promise<Response> {
    const file = this.#files.get(name);
    if (file === undefined) return new Response("Not Found", { status: 404 });
    const link = token === undefined ? undefined : this.#freshLinks.get(token);
    const fresh = link?.name === name && link.until > Date.now();
    const { habits } = file;
    if (!fresh && habits.dies_at !== undefined && habits.dies_at <= Date.now()) {
      return new Response("<Error><Code>AccessDenied</Code></Error>", {
        status: 403,
        headers: { "content-type": "application/xml" },
      });
    }
    const headers = new Headers({ "content-type": habits.content_type ?? file.mime });
    if (habits.body === "html") return new Response("<h1>This is no picture</h1>", { headers });
    const size = Math.max(file.size, habits.oversize_bytes ?? 0);
    headers.set("content-length", String(size));
    if (habits.stall) return new Response(firstHalf(await this.#read(name)), { headers });
    if (size > file.size) return new Response(padded(await this.#read(name), size), { headers });
    return new Response((await Deno.open(this.#path(name))).readable, { headers });
  }

  async #remove(name: string): Promise<void> {
    const file = this.#files.get(name);
    if (file === undefined) return;
    this.#files.delete(name);
    this.#bytes -= file.size;
    await Deno.remove(this.#path(name));
  }

  #read(name: string): Promise<Uint8Array> {
    return Deno.readFile(this.#path(name));
  }

  // Names of uploads come from outside: encoded, they cannot leave the folder.
  #path(name: string): string {
    return join(this.folder, encodeURIComponent(name));
  }
}

function firstHalf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(bytes.subarray(0, bytes.length >> 1)),
  });
}

function padded(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  const zeros = new Uint8Array(256 * 1024);
  let left = size - bytes.length;
  return new ReadableStream({
    start: (controller) => controller.enqueue(bytes),
    pull(controller) {
      if (left <= 0) return controller.close();
      controller.enqueue(zeros.slice(0, Math.min(left, zeros.length)));
      left -= zeros.length;
    },
  });
}
