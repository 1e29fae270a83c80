import { eventually } from "../kie/testing.ts";
import { startSimulators } from "../app.ts";
import { sign } from "./signature.ts";

export const ACCESS_TOKEN = "TEST-simulated-token";
export const SECRET = "s3cret";

/** A notification as its receiver saw it. */
export interface Received {
  query: URLSearchParams;
  headers: Headers;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** What an API call brought: the HTTP status and the body. */
export interface Answer {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** A simulator on a free port, and a shop that receives its notifications. */
export interface Bench extends AsyncDisposable {
  url: string;
  /** Of the shop: `?shop=1` is its own parameter. */
  notificationUrl: string;
  received: Received[];
  /** What the shop answers; tests replace it. */
  reply: { status: number };
  /** Calls a path below `/mercadopago` with the access token. */
  ask: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answer>;
  /** Posts to the control route or one below it. */
  // deno-lint-ignore no-explicit-any
  control: (change: Record<string, unknown>, path?: string) => Promise<any>;
  /** Makes a preference over 4000 that notifies the shop. */
  // deno-lint-ignore no-explicit-any
  prefer: (more?: Record<string, unknown>) => Promise<any>;
  /** Makes a payment in silence. */
  // deno-lint-ignore no-explicit-any
  pay: (input?: Record<string, unknown>) => Promise<any>;
  /** Waits until the shop received this many notifications. */
  arrived: (count: number) => Promise<Received[]>;
}

/** Starts a bench. */
export async function startBench(): Promise<Bench> {
  const folder = await Deno.makeTempDir({ prefix: "cabina-mp-" });
  const simulators = await startSimulators({
    port: 0,
    folder,
    mpAccessToken: ACCESS_TOKEN,
    mpWebhookSecret: SECRET,
  });
  const received: Received[] = [];
  const reply = { status: 200 };
  const shop = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const body = await request.json().catch(() => undefined);
    // A simulator that closes cuts off what it was sending.
    if (body === undefined) return new Response(null, { status: 400 });
    received.push({ query: new URL(request.url).searchParams, headers: request.headers, body });
    return new Response("seen", { status: reply.status });
  });

  const bench: Bench = {
    url: `${simulators.url}/mercadopago`,
    notificationUrl: `http://127.0.0.1:${shop.addr.port}/notify?shop=1`,
    received,
    reply,
    ask: async (method, path, body, headers = {}) => {
      const response = await fetch(`${bench.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${ACCESS_TOKEN}`, ...headers },
        // As a stream: fetch would send other bodies again when the connection is cut.
        body: body === undefined ? null : new Blob([JSON.stringify(body)]).stream(),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    control: async (change, path = "") => {
      const { status, body } = await bench.ask("POST", `/_control${path}`, change);
      if (status >= 400) throw new Error(body.message);
      return body;
    },
    prefer: async (more = {}) => {
      const { status, body } = await bench.ask("POST", "/checkout/preferences/", {
        items: [{ title: "Starter", quantity: 2, unit_price: 2_000 }],
        external_reference: "order-1",
        notification_url: bench.notificationUrl,
        ...more,
      });
      if (status !== 201) throw new Error(body.message);
      return body;
    },
    pay: async (input = {}) => {
      const preference_id = input.preference_id ?? (await bench.prefer()).id;
      return await bench.control({ notify: false, ...input, preference_id }, "/payments");
    },
    arrived: async (count) => {
      await eventually(() => received.length >= count ? true : undefined);
      return received;
    },
    [Symbol.asyncDispose]: async () => {
      await simulators.close();
      await shop.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
  return bench;
}

/** Whether a notification's signature is the secret's, over what its receiver saw. */
export function isSigned({ query, headers }: Received): boolean {
  const signature = headers.get("x-signature") ?? "";
  const ts = /^ts=(\d+),/.exec(signature)?.[1] ?? "";
  const requestId = headers.get("x-request-id") ?? undefined;
  const id = query.get("data.id") ?? query.get("id") ?? undefined;
  return signature === sign({ id, requestId, ts }, SECRET);
}
