import { z } from "zod";
import type { Channel, Delivery, Message } from "./channel.ts";
import { post } from "./post.ts";
import { failureTexts, pictureTexts } from "./texts.ts";

export interface EmailOptions {
  apiUrl: string;
  apiKey: string;
  /** `Cabina <fotos@example.com>`, of a domain that the provider knows as ours. */
  from: string;
}

/**
 * E-mail by the HTTP API of Resend (resend.com/docs/api-reference/emails/send-email), or one like it. A key
 * that is repeated within 24 hours sends nothing again (resend.com/docs, idempotency keys).
 */
export function createEmail({ apiUrl, apiKey, from }: EmailOptions): Channel {
  return {
    name: "email",
    async send(message) {
      const reply = await post(
        `${apiUrl}/emails`,
        apiKey,
        render(from, message),
        {
          "idempotency-key": message.key,
        },
      );
      return "outcome" in reply ? reply : toDelivery(reply.status, reply.body);
    },
  };
}

function render(from: string, { recipient, language, imageUrl }: Message) {
  const to = [recipient];
  if (imageUrl === null) {
    const { subject, body } = failureTexts[language];
    return { from, to, subject, html: `<p>${body}</p>`, text: body };
  }
  const { subject, body } = pictureTexts[language];
  const picture = `<a href="${imageUrl}"><img src="${imageUrl}" alt="${subject}" width="480"></a>`;
  return {
    from,
    to,
    subject,
    html: `<p>${body}</p><p>${picture}</p>`,
    text: `${body} ${imageUrl}`,
  };
}

const failure = z.looseObject({
  name: z.string(),
  message: z.string().catch(""),
});

function toDelivery(status: number, body: unknown): Delivery {
  if (status >= 200 && status < 300) return { outcome: "sent" };
  const { name, message } = failure.safeParse(body).data ?? {};
  const detail = name === undefined ? `HTTP ${status}` : `HTTP ${status}: ${name}`;
  // An earlier try was taken with other words: the photo came after all, or our texts have changed.
  if (name === "invalid_idempotent_request") return { outcome: "sent" };
  if (name !== undefined && name.endsWith("quota_exceeded")) {
    return { outcome: "misconfigured", detail };
  }
  // 409: a message of the same key is on its way at this moment.
  if (status < 400 || status === 409 || status === 429 || status >= 500) {
    return { outcome: "retry", detail };
  }
  // A sender that is wrong has the same code as a recipient: only the text names the field.
  const isRecipient = name === "validation_error" &&
    [400, 422].includes(status) &&
    !message?.includes("`from`");
  return { outcome: isRecipient ? "refused" : "misconfigured", detail };
}
