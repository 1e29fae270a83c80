import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../stack/config.ts";
import { CLIENT_IP_HEADER, functionEnvironment } from "../stack/environment.ts";
import { functionProgram } from "../stack/functions.ts";
import { loadKeys } from "../stack/keys.ts";
import { freePort } from "../stack/ports.ts";
import { command, type Program } from "../stack/supervisor.ts";
import { isolatedEnvironment, startTestStack } from "../stack/testing.ts";
import { median, round } from "./figures.ts";

/** Starts of each kind that count; one before them fills the caches of compiled code. */
const RUNS = 9;
const EMPTY = fileURLToPath(new URL("./empty_function.ts", import.meta.url));

/** Milliseconds from the start of the process to the answer, medians. */
export interface ColdStartResult {
  figures: Record<
    string,
    { answer: string; ms: number; empty_ms: number; ratio: number; goal_ratio: number }
  >;
}

/** A request to one process of a function, and how one sees that the answer is real. */
interface Question {
  name: string;
  answer: string;
  /** Makes what the request is about, which is not measured, and returns the request. */
  prepare: () => Promise<{ path: string; init: RequestInit }>;
  isAnswer: (status: number, body: string) => boolean;
}

/**
 * Measures from the start of a function's process to its first real answer, beside an empty function
 * with the same flags and rights, in turns. Database, storage, simulators and gateway are those of a
 * stack that is warm. Throws when an answer is not the expected one.
 */
export async function benchColdStart(): Promise<ColdStartResult> {
  const env = await isolatedEnvironment();
  // Nothing else shall run meanwhile.
  Object.assign(env, { CABINA_SWEEP_SECONDS: "0", CABINA_RECONCILE_SECONDS: "0" });
  const stack = await startTestStack(env);
  try {
    // The tests' helpers find the stack by this.
    Deno.env.set("CABINA_STACK", stack.infoFile);
    const config = readConfig(env);
    const temp = join(stack.dataDir, "functions-temp");
    const folder = join(config.root, "supabase/functions");
    const variables = await functionEnvironment(
      config,
      await loadKeys(stack.dataDir),
      folder,
      temp,
    );
    const figures: ColdStartResult["figures"] = {};
    for (const question of await makeQuestions()) {
      const program = functionProgram(config, question.name, variables, temp);
      const empty = { ...program, args: [...program.args.slice(0, -1), EMPTY] };
      const real: number[] = [];
      const bare: number[] = [];
      for (let run = 0; run <= RUNS; run++) {
        real.push(await measure(program, question));
        bare.push(await measure(empty, { ...question, isAnswer: (status) => status === 200 }));
      }
      const [ms, emptyMs] = [real, bare].map((times) => median(times.slice(1)));
      figures[question.name] = {
        answer: question.answer,
        ms: round(ms!),
        empty_ms: round(emptyMs!),
        ratio: round(ms! / emptyMs!),
        goal_ratio: 4,
      };
    }
    return { figures };
  } finally {
    await stack.stop();
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
}

async function makeQuestions(): Promise<Question[]> {
  const { createEvent, createPerson } = await import("../../supabase/functions/tests/fixtures.ts");
  const { guestRequest } = await import("../../supabase/functions/tests/photos.ts");
  const { packId } = await import("../../supabase/functions/tests/payments.ts");
  const { stack } = await import("../../supabase/functions/tests/stack.ts");
  const headers = {
    apikey: stack.publishable_key,
    "content-type": "application/json",
    // Told by the gateway, which is not asked here.
    [CLIENT_IP_HEADER]: "192.0.2.1",
  };
  const event = await createEvent({ credits: 100 });
  const post = (body: unknown, token?: string): RequestInit => ({
    method: "POST",
    headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  return [
    {
      name: "cabina-vision",
      answer: "generate: 202",
      prepare: async () => {
        const { user_photo, ...request } = await guestRequest(event.slug);
        const photo_path = await upload(event.slug, await (await fetch(user_photo)).blob());
        return { path: "/cabina-vision", init: post({ ...request, photo_path }) };
      },
      isAnswer: (status, body) => status === 202 && "generation_id" in JSON.parse(body),
    },
    {
      name: "mp-webhook",
      answer: "checkout: init_point",
      prepare: async () => {
        const [{ token }, pack] = [await createPerson(), await packId("Starter")];
        return { path: "/mp-webhook/checkout", init: post({ pack_id: pack }, token) };
      },
      isAnswer: (status, body) => status === 200 && "init_point" in JSON.parse(body),
    },
    {
      name: "event-admin",
      answer: "card of an event",
      prepare: () =>
        Promise.resolve({ path: `/event-admin/events/${event.slug}`, init: { headers } }),
      isAnswer: (status, body) => status === 200 && "event" in JSON.parse(body),
    },
  ];
}

/** Stores a photo as the example client does, at a signed address. Returns its path. */
async function upload(slug: string, photo: Blob): Promise<string> {
  const { callFunction } = await import("../../supabase/functions/tests/stack.ts");
  const { body } = await callFunction("cabina-vision/upload-url", {
    content_type: photo.type,
    event_slug: slug,
  });
  const { ok, status } = await fetch(body.signed_url, { method: "PUT", body: photo });
  if (!ok) throw new Error(`The upload was answered ${status}`);
  return body.photo_path;
}

/** Starts the program, asks as soon as it listens, and ends it. Returns milliseconds from start to answer. */
async function measure(program: Program, { prepare, isAnswer }: Question): Promise<number> {
  const { path, init } = await prepare();
  const port = freePort();
  const began = performance.now();
  const process = command(program, port, "null").spawn();
  try {
    await listens(port);
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    const text = await response.text();
    const ms = performance.now() - began;
    if (!isAnswer(response.status, text)) {
      throw new Error(`${program.name} answered ${response.status}: ${text}`);
    }
    return ms;
  } finally {
    process.kill("SIGTERM");
    // It finishes what it has begun first, so nothing of that runs into the next measurement.
    await process.status;
  }
}

async function listens(port: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (true) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
