import { Hono } from "hono";
import { createKieSimulator } from "./kie/simulator.ts";
import { createMailbox } from "./mail.ts";
import { type Connection, type RunningServer, serve } from "./serve.ts";

const INDEX = `Cabina simulators

/mail              mails that would have been sent
/kie               the AI provider, /kie-upload its upload host
/kie/_control      faults and latency: GET shows, POST changes, DELETE resets
/kie/_stats        counters of each account
/kie/_tasks        newest tasks, with their requests
`;

/**
 * Starts the stand-ins for everything outside of Cabina.
 *
 * @param options.port on 127.0.0.1; 0 takes a free one.
 * @param options.folder for the files that simulators keep; what is in it may be removed.
 * @throws when the port is taken.
 */
export async function startSimulators(
  options: { port: number; folder: string; webhookKey?: string | undefined },
): Promise<RunningServer> {
  const kie = await createKieSimulator(options);
  const app = new Hono<{ Bindings: Connection }>();
  app.get("/", (c) => c.text(INDEX));
  app.route("/mail", createMailbox());
  app.route("/kie", kie.api);
  app.route("/kie-upload", kie.uploads);
  const server = await serve((request, connection) => app.fetch(request, connection), options.port);
  return {
    url: server.url,
    close: async () => {
      kie.close();
      await server.close();
    },
  };
}
