import { z } from "zod";
import type { Channel, Delivery, Message } from "./channel.ts";
import { post } from "./post.ts";

export interface WhatsappOptions {
  apiUrl: string;
  token: string;
  phoneNumberId: string;
  /** Approved template whose body has one parameter, the address of the picture. */
  template: string;
  /** Approved template without parameters for a photo that failed; without it, nothing is said then. */
  failureTemplate: string | undefined;
}

/** The person cannot be reached. */
const UNREACHABLE = [
  130472, // takes part in an experiment of Meta's
  130497, // in a country that the business may not write to
  131021, // our own number
  131026, // not on WhatsApp
  131030, // not one that a test number may write to
  131049, // got enough messages, Meta thinks
  131050, // wants none
];
/** Too fast or too much for now, or a fault of theirs. */
const PASSING = [
  1,
  2,
  4,
  80007,
  130429,
  131000,
  131016,
  131048,
  131056,
  131057,
];

/**
 * The WhatsApp Cloud API (developers.facebook.com/docs/whatsapp/cloud-api). The guest has not written to us, so
 * only a template that Meta approved may be sent. There is no key that stops a repetition: when we die between its
 * answer and our note of it, the message is sent again.
 */
export function createWhatsapp(options: WhatsappOptions): Channel {
  const url = `${options.apiUrl}/${options.phoneNumberId}/messages`;
  return {
    name: "whatsapp",
    async send(message) {
      if (message.imageUrl === null && options.failureTemplate === undefined) {
        return {
          outcome: "refused",
          detail: "WHATSAPP_FAILURE_TEMPLATE is not set",
        };
      }
      const reply = await post(url, options.token, render(options, message));
      return "outcome" in reply ? reply : toDelivery(reply.status, reply.body);
    },
  };
}

function render(
  options: WhatsappOptions,
  { recipient, language, imageUrl }: Message,
) {
  const code = language === "pt" ? "pt_BR" : language;
  const parameters = [{ type: "text", text: imageUrl }];
  return {
    messaging_product: "whatsapp",
    to: recipient.replace(/^\+/, ""),
    type: "template",
    template: imageUrl === null ? { name: options.failureTemplate, language: { code } } : {
      name: options.template,
      language: { code },
      components: [{ type: "body", parameters }],
    },
  };
}

const failure = z.looseObject({ error: z.looseObject({ code: z.number() }) });

function toDelivery(status: number, body: unknown): Delivery {
  if (status >= 200 && status < 300) return { outcome: "sent" };
  const code = failure.safeParse(body).data?.error.code;
  const detail = code === undefined ? `HTTP ${status}` : `HTTP ${status}: ${code}`;
  if (code !== undefined && UNREACHABLE.includes(code)) {
    return { outcome: "refused", detail };
  }
  const isPassing = code === undefined ? status === 429 || status >= 500 : PASSING.includes(code);
  if (isPassing) return { outcome: "retry", detail };
  // Token, permissions, number, template: nobody's message would pass.
  return { outcome: "misconfigured", detail };
}
