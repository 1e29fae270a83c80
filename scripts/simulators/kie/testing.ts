import { startSimulators } from "../app.ts";

/** The key that signs callbacks in tests; the vector of the vendor's scheme was computed with it. */
export const WEBHOOK_KEY = "kie-test-key";

/** A callback as its receiver saw it. */
export interface Received {
  query: string;
  headers: Headers;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** A simulator on a free port, a server that has photos and receives callbacks, and an account of its own. */
export interface Bench extends AsyncDisposable {
  url: string;
  key: string;
  account: string;
  photoUrl: string;
  callbackUrl: string;
  received: Received[];
  /** What the receiver answers; tests replace it. */
  reply: { status: number };
  /** Asks the API with the bench's key; the body as JSON, with the HTTP status beside it. */
  // deno-lint-ignore no-explicit-any
  ask: (method: string, path: string, body?: unknown, key?: string) => Promise<any>;
  /** Changes the simulator. */
  // deno-lint-ignore no-explicit-any
  control: (change: Record<string, unknown>) => Promise<any>;
  /** Makes a task from the photo and returns its id. */
  create: (input?: Record<string, unknown>, more?: Record<string, unknown>) => Promise<string>;
  /** recordInfo's `data` once the task ended. */
  // deno-lint-ignore no-explicit-any
  finished: (taskId: string) => Promise<any>;
}

const PHOTO = new URL("../../../examples/guest/photo.jpg", import.meta.url);

/** Starts a bench whose tasks end as soon as their picture is made. */
export async function startBench(): Promise<Bench> {
  const folder = await Deno.makeTempDir({ prefix: "cabina-kie-" });
  const simulators = await startSimulators({ port: 0, folder, webhookKey: WEBHOOK_KEY });
  const received: Received[] = [];
  const reply = { status: 200 };
  const photo = await Deno.readFile(PHOTO);
  const outside = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/photo.jpg") return new Response(photo);
    if (pathname === "/text.jpg") return new Response("no picture");
    if (pathname !== "/callback") return new Response("no such photo", { status: 404 });
    received.push({ query: search, headers: request.headers, body: await request.json() });
    return new Response(null, { status: reply.status });
  });
  const account = `sim-${crypto.randomUUID()}`;
  const outsideUrl = `http://127.0.0.1:${outside.addr.port}`;

  const ask: Bench["ask"] = async (method, path, body, key = account) => {
    const response = await fetch(`${simulators.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      // As a stream: fetch would send other bodies again when the connection is cut.
      body: body === undefined ? null : new Blob([JSON.stringify(body)]).stream(),
    });
    return { status: response.status, ...await response.json() };
  };
  const bench: Bench = {
    url: simulators.url,
    key: account,
    account,
    photoUrl: `${outsideUrl}/photo.jpg`,
    callbackUrl: `${outsideUrl}/callback`,
    received,
    reply,
    ask,
    control: async (change) => {
      const answer = await ask("POST", "/kie/_control", change);
      if (answer.error) throw new Error(answer.error);
      return answer;
    },
    create: async (input = {}, more = {}) => {
      const answer = await ask("POST", "/kie/api/v1/jobs/createTask", {
        model: "nano-banana-2",
        input: {
          prompt: "A 1920s gangster",
          image_input: [bench.photoUrl],
          aspect_ratio: "3:4",
          ...input,
        },
        ...more,
      });
      if (answer.code !== 200) throw new Error(`createTask: ${answer.code} ${answer.msg}`);
      return answer.data.taskId;
    },
    finished: (taskId) =>
      eventually(async () => {
        const { data } = await ask("GET", `/kie/api/v1/jobs/recordInfo?taskId=${taskId}`);
        return ["success", "fail"].includes(data?.state) ? data : undefined;
      }),
    [Symbol.asyncDispose]: async () => {
      await simulators.close();
      await outside.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
  await bench.control({ scale: 0.01, long_edge: 200, latency: { kind: "fixed", ms: 0 } });
  return bench;
}

/** Asks until there is an answer, for at most 10 seconds. */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  throw new Error("It did not happen within 10 seconds");
}
