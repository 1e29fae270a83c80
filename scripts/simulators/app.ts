import { Hono } from "hono";
import { createKieSimulator } from "./kie/simulator.ts";
import { createMailbox } from "./mail.ts";
import { createMessageSimulators } from "./messages.ts";
import { createMercadoPagoSimulator } from "./mercadopago/simulator.ts";
import { type Connection, type RunningServer, serve } from "./serve.ts";

const INDEX = `Cabina simulators

/mail              mails and WhatsApp messages that would have been sent
/resend            the e-mail API, /whatsapp the WhatsApp Cloud API: what they take is in /mail
/messages/_control their faults: GET shows, POST adds, DELETE resets
/kie               the AI provider, /kie-upload its upload host
/kie/_control      faults and latency: GET shows, POST changes, DELETE resets
/kie/_stats        counters of each account
/kie/_tasks        newest tasks, with their requests
/mercadopago       the payment gateway; its checkout page is where a preference's init_point leads
/mercadopago/_control      bad habits: GET shows, POST changes, DELETE resets
/mercadopago/_payments     newest payments, as the API shows them
/mercadopago/_deliveries   newest notifications, with what was answered
`;

/**
 * Starts the stand-ins for everything outside of Cabina.
 *
 * @param options.port on 127.0.0.1; 0 takes a free one.
 * @param options.folder for the files that simulators keep; what is in it may be removed.
 * @param options.webhookKey signs the provider's callbacks.
 * @param options.mpAccessToken the payment gateway's; without it, every token is accepted.
 * @param options.mpWebhookSecret signs the payment gateway's notifications.
 * @throws when the port is taken.
 */
export async function startSimulators(
  options: {
    port: number;
    folder: string;
    webhookKey?: string | undefined;
    mpAccessToken?: string | undefined;
    mpWebhookSecret?: string | undefined;
  },
): Promise<RunningServer> {
  const kie = await createKieSimulator(options);
  const mercadoPago = createMercadoPagoSimulator({
    accessToken: options.mpAccessToken,
    webhookSecret: options.mpWebhookSecret,
  });
  const app = new Hono<{ Bindings: Connection }>();
  app.get("/", (c) => c.text(INDEX));
  const mailbox = createMailbox();
  const messages = createMessageSimulators(mailbox);
  app.route("/mail", mailbox);
  app.route("/resend", messages.resend);
  app.route("/whatsapp", messages.whatsapp);
  app.route("/messages", messages.control);
  app.route("/kie", kie.api);
  app.route("/kie-upload", kie.uploads);
  app.route("/mercadopago", mercadoPago.api);
  const server = await serve((request, connection) => app.fetch(request, connection), options.port);
  return {
    url: server.url,
    close: async () => {
      kie.close();
      mercadoPago.close();
      await server.close();
    },
  };
}
