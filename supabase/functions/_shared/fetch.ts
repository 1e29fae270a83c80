/**
 * `fetch` that sends a request at most once.
 *
 * Deno's fetch silently sends a request again when the connection breaks before an answer (seen with
 * Deno 2.9.5: one POST, two arrivals). For a request that creates or charges something that is a second
 * creation or charge. A body that is a stream cannot be replayed, so it is not.
 */
export function fetchOnce(
  input: string | URL | Request,
  init: RequestInit & { client?: Deno.HttpClient } = {},
): Promise<Response> {
  if (typeof init.body !== "string") return fetch(input, init);
  return fetch(input, {
    ...init,
    body: ReadableStream.from([new TextEncoder().encode(init.body)]),
  });
}

/**
 * `fetchOnce` on a connection of its own, for requests to others that must arrive once.
 *
 * Servers close connections that were idle for a while. A request that is written to such a one at that moment is lost,
 * and nobody can tell it from one that was lost after it had its effect: a picture would wait two minutes for a callback
 * that cannot come. With a busy process and a server that closes after a second this was hundreds of 1,500 requests.
 */
export async function fetchOnceAnew(
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    return await fetchOnce(input, { ...init, client });
  } finally {
    // The answer's body goes on arriving.
    client.close();
  }
}
