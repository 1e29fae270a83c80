/*
 * The simulators as a process of the local stack: the AI provider, the payment gateway and the mailbox on localhost.
 *
 * Environment: CABINA_SIM_PORT (54330), CABINA_DATA_DIR (.cabina), KIE_WEBHOOK_KEY (signs callbacks),
 * MP_ACCESS_TOKEN (opens the payment gateway), MP_WEBHOOK_SECRET (signs its notifications).
 */
import { join } from "node:path";
import { startSimulators } from "./app.ts";

const DEFAULT_PORT = "54330";

const text = Deno.env.get("CABINA_SIM_PORT") || DEFAULT_PORT;
const port = Number(text);
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  console.error(`CABINA_SIM_PORT must be a port from 1 to 65535, not "${text}"`);
  Deno.exit(1);
}
const server = await startSimulators({
  port,
  folder: join(Deno.env.get("CABINA_DATA_DIR") || ".cabina", "simulators"),
  webhookKey: Deno.env.get("KIE_WEBHOOK_KEY") || undefined,
  mpAccessToken: Deno.env.get("MP_ACCESS_TOKEN") || undefined,
  mpWebhookSecret: Deno.env.get("MP_WEBHOOK_SECRET") || undefined,
});
console.log(`simulators: ${server.url}`);

Deno.addSignalListener("SIGTERM", () => server.close().finally(() => Deno.exit(0)));

// Nobody stops the children of a process that was killed: they notice by themselves that it is gone.
const parent = Deno.ppid;
Deno.unrefTimer(setInterval(() => {
  if (Deno.ppid !== parent) Deno.exit(0);
}, 500));
