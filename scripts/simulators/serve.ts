import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** What a route can do to the connection it answers on, handed over as hono bindings. */
export interface Connection {
  /** Cuts the connection: the caller never gets an answer, whatever the route returns. */
  drop: () => void;
}

/** A server that runs. */
export interface RunningServer {
  /** `http://127.0.0.1:<port>`, without a trailing slash. */
  url: string;
  /** Stops listening and cuts every open connection, also one that stalls on purpose. */
  close: () => Promise<void>;
}

type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

/**
 * Serves a fetch handler on 127.0.0.1.
 *
 * `Deno.serve` always sends response headers; a lost answer, the habit of the provider that costs most, needs the
 * socket itself, which `node:http` gives.
 *
 * @param port 0 takes any free port.
 * @throws when the port is taken.
 */
export async function serve(handler: Handler, port: number): Promise<RunningServer> {
  const server = createServer((incoming, outgoing) => {
    handle(handler, incoming, outgoing).catch((cause) => {
      // A client that hangs up, or a connection cut on purpose, is no error of ours.
      if (!outgoing.destroyed && !outgoing.writableEnded) outgoing.destroy();
      if (!isHangUp(cause)) console.error("simulators: answer failed:", cause);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function handle(handler: Handler, incoming: IncomingMessage, outgoing: ServerResponse) {
  const response = await handler(toRequest(incoming), { drop: () => incoming.socket.destroy() });
  if (incoming.socket.destroyed) return;
  outgoing.writeHead(response.status, [...response.headers].flat());
  if (response.body === null) return void outgoing.end();
  await pipeline(
    Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
    outgoing,
  );
}

function toRequest(incoming: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one);
  }
  const method = incoming.method ?? "GET";
  const bodiless = method === "GET" || method === "HEAD";
  return new Request(
    new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "127.0.0.1"}`),
    {
      method,
      headers,
      body: bodiless ? null : Readable.toWeb(incoming) as ReadableStream<Uint8Array>,
    },
  );
}

function isHangUp(cause: unknown): boolean {
  const code = (cause as { code?: string } | null)?.code ?? "";
  return ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "EPIPE", "ERR_STREAM_DESTROYED"].includes(
    code,
  );
}
