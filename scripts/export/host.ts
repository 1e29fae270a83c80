/** Where an event is and who asks for it. */
export interface Door {
  /** Of the project: `https://….supabase.co`. */
  url: string;
  /** The publishable key, where the project wants one. */
  key: string | undefined;
  event: string;
}

/** A part of an export as the server lists it. */
export interface Part {
  part: number;
  photos: number;
  bytes: number;
  url: string;
}

/** Speaks to the project as the host of one event. */
export interface HostClient {
  /** The parts that there are now. */
  list(visibility: "visible" | "all"): Promise<Part[]>;
  /** Begins to download a part. */
  open(part: Part): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** Ends the session. */
  leave(): Promise<void>;
}

/** A refusal of the server: trying again does not help. */
export class Refusal extends Error {}

/** Enters an event by its PIN. @throws {Refusal} with what the server says */
export async function enterEvent({ url, key, event }: Door, pin: string): Promise<HostClient> {
  const base = `${url.replace(/\/+$/, "")}/functions/v1/event-admin`;
  const session = await request(`${base}/events/${event}/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ pin }),
  });
  const headers = { "x-host-token": (await session.json()).token as string };

  function request(address: string, init: RequestInit = {}): Promise<Response> {
    return ask(address, {
      ...init,
      headers: { "accept-language": "en", ...(key && { apikey: key }), ...init.headers },
    });
  }

  return {
    async list(visibility) {
      const query = new URLSearchParams({ event, visibility });
      return (await (await request(`${base}/host/export?${query}`, { headers })).json()).parts;
    },
    open: async (part) => (await request(part.url, { headers })).body!,
    async leave() {
      await (await request(`${base}/host/session`, { method: "DELETE", headers })).body?.cancel();
    },
  };
}

async function ask(address: string, init: RequestInit): Promise<Response> {
  const response = await fetch(address, init);
  if (response.ok) return response;
  const text = await response.text();
  const { error, message } = text.startsWith("{") ? JSON.parse(text) : { error: "", message: text };
  const sentence = `${response.status} ${error}: ${message}`;
  const canPass = response.status >= 500;
  throw canPass ? new Error(sentence) : new Refusal(sentence);
}
