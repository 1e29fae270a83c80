import { fetchOnceAnew } from "../../_shared/fetch.ts";
import { describeError } from "../../_shared/log.ts";
import type { Delivery } from "./channel.ts";

/** Longest wait for a provider of messages, headers and body. */
const TIMEOUT_MS = 10_000;

export interface Reply {
  status: number;
  /** The answer as JSON; undefined when it is none. */
  body: unknown;
}

/** Posts JSON with a bearer token. No answer at all is a delivery to be tried again. */
export async function post(
  url: string,
  token: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Reply | Delivery> {
  try {
    const response = await fetchOnceAnew(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: parse(text) };
  } catch (error) {
    return { outcome: "retry", detail: describeError(error) };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
