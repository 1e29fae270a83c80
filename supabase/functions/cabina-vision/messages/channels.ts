import { optionalEnv } from "../../_shared/env.ts";
import type { Channel } from "./channel.ts";
import { createEmail } from "./email.ts";
import { createWhatsapp } from "./whatsapp.ts";

/**
 * The channels that the environment configures; the others take no contacts and send nothing.
 *
 * E-mail: RESEND_API_KEY and RESEND_FROM (RESEND_API_URL). WhatsApp: WHATSAPP_TOKEN, WHATSAPP_PHONE_NUMBER_ID and
 * WHATSAPP_TEMPLATE (WHATSAPP_FAILURE_TEMPLATE, WHATSAPP_API_URL).
 */
export function configuredChannels(): Channel[] {
  const channels: Channel[] = [];
  const apiKey = optionalEnv("RESEND_API_KEY");
  const from = optionalEnv("RESEND_FROM");
  if (apiKey !== undefined && from !== undefined) {
    const apiUrl = optionalEnv("RESEND_API_URL") ?? "https://api.resend.com";
    channels.push(createEmail({ apiUrl, apiKey, from }));
  }
  const token = optionalEnv("WHATSAPP_TOKEN");
  const phoneNumberId = optionalEnv("WHATSAPP_PHONE_NUMBER_ID");
  const template = optionalEnv("WHATSAPP_TEMPLATE");
  if (
    token !== undefined && phoneNumberId !== undefined && template !== undefined
  ) {
    const apiUrl = optionalEnv("WHATSAPP_API_URL") ??
      "https://graph.facebook.com/v25.0";
    const failureTemplate = optionalEnv("WHATSAPP_FAILURE_TEMPLATE");
    channels.push(
      createWhatsapp({
        apiUrl,
        token,
        phoneNumberId,
        template,
        failureTemplate,
      }),
    );
  }
  return channels;
}
