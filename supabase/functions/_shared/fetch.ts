/**
 * `fetch` that sends a request at most once.
 *
 * Deno's fetch silently sends a request again when the connection breaks before an answer (seen with
 * Deno 2.9.5: one POST, two arrivals). For a request that creates or charges something that is a second
 * creation or charge. A body that is a stream cannot be replayed, so it is not.
 */
export function fetchOnce(
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  if (typeof init.body !== "string") return fetch(input, init);
  return fetch(input, {
    ...init,
    body: ReadableStream.from([new TextEncoder().encode(init.body)]),
  });
}
