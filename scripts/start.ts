// `npm start`: runs the local stack until it is told to stop.
import { readConfig } from "./stack/config.ts";
import { watchAncestors } from "./stack/ancestors.ts";
import { type Stack, startStack } from "./stack/stack.ts";

const began = performance.now();
let starting: Promise<Stack> | undefined;
let stopping = false;

/** Stops once; asked a second time, ends at once and leaves the children to notice. */
async function stop(): Promise<void> {
  if (stopping) Deno.exit(1);
  stopping = true;
  console.log("Stopping …");
  await (await starting?.catch(() => undefined))?.stop();
  Deno.exit(0);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, stop);
}
// npm and shells do not pass every signal on to the program they started.
if (Deno.env.has("npm_lifecycle_event")) watchAncestors(stop);

try {
  const config = readConfig(Deno.env.toObject());
  starting = startStack(config);
  const { info, problem } = await starting;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`
Cabina is running (${seconds} s)

  API              ${info.api_url}
  Functions        ${info.api_url}/functions/v1
  Database         ${info.db_url}
  Simulators       ${info.sim_url}
  Mail             ${info.sim_url}/mail
  Publishable key  ${info.publishable_key}
  Secret key       ${info.secret_key}
  Keys in          ${config.dataDir}/stack.json

Ctrl-C stops it.`);
  if (problem) console.error(`\nA migration failed, the rest is served:\n${problem}`);
} catch (error) {
  console.error(`Cannot start: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
