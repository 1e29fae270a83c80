import { join } from "node:path";
import { Hono } from "hono";
import type { Connection } from "../serve.ts";
import { Accounts } from "./accounts.ts";
import { Callbacks } from "./callbacks.ts";
import { createControl } from "./control.ts";
import { Faults } from "./faults.ts";
import { Files } from "./files.ts";
import { createApi, refuseRoute } from "./routes.ts";
import { Runner } from "./runner.ts";
import { Tasks } from "./tasks.ts";
import { createUploads } from "./uploads.ts";

/** The simulated Kie.ai. */
export interface KieSimulator {
  /** For `/kie`: the API, result files, and the control routes. */
  api: Hono<{ Bindings: Connection }>;
  /** For `/kie-upload`: the provider's second host. */
  uploads: Hono<{ Bindings: Connection }>;
  /** Ends waiting tasks and callbacks. */
  close: () => void;
}

/**
 * Builds the simulator of Kie.ai's image models. Tasks live in memory: after a restart they are unknown, as with the
 * provider after two months.
 *
 * @param options.folder where pictures are kept; emptied at the start.
 * @param options.webhookKey signs callbacks; without it they carry no signature.
 */
export async function createKieSimulator(
  options: { folder: string; webhookKey?: string | undefined },
): Promise<KieSimulator> {
  const stop = new AbortController();
  const faults = new Faults();
  const accounts = new Accounts(faults);
  const tasks = new Tasks();
  const files = await Files.open(join(options.folder, "kie"));
  const callbacks = new Callbacks(options.webhookKey, stop.signal);
  const runner = new Runner(tasks, files, callbacks, stop.signal);
  const provider = { faults, accounts, tasks, files, runner };
  const api = createApi(provider).route("/", createControl(provider));
  api.all("*", () => refuseRoute(faults));
  return { api, uploads: createUploads(provider), close: () => stop.abort() };
}
