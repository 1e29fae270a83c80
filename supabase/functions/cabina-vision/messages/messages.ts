import { crashPoint } from "../../_shared/crash_point.ts";
import { rpc } from "../../_shared/database.ts";
import type { Language } from "../../_shared/errors.ts";
import { describeError, log, timed } from "../../_shared/log.ts";
import type { Channel, Delivery } from "./channel.ts";
import { configuredChannels } from "./channels.ts";

/** A row of `claim_messages`. */
interface ClaimedMessage {
  message_id: number;
  channel: Channel["name"];
  recipient: string;
  language: Language;
  image_url: string | null;
}

/**
 * Keeps the contacts that somebody left with their photo, for the channels that are switched on. Never throws:
 * the photo has begun, and a message less is no reason to tell its guest that it has not.
 */
export async function leaveContacts(
  generationId: string,
  contacts: { email?: string | undefined; phone?: string | undefined },
  language: Language,
): Promise<void> {
  const recipients = { email: contacts.email, whatsapp: contacts.phone };
  for (const { name } of configuredChannels()) {
    if (recipients[name] === undefined) continue;
    await rpc("leave_contact", {
      p_generation_id: generationId,
      p_channel: name,
      p_recipient: recipients[name],
      p_language: language,
    }).catch((error) => log("error", "contact_not_kept", { error: describeError(error) }));
  }
}

/**
 * Sends up to `limit` messages that are due; returns how many went out. A message of which nothing is noted, since
 * the process died, is sent again later: under the same key, so that e-mail goes out once.
 */
export async function sendMessages(limit: number): Promise<number> {
  const channels = new Map(configuredChannels().map((channel) => [channel.name, channel]));
  if (channels.size === 0) return 0;
  const messages = await rpc<ClaimedMessage[]>("claim_messages", { p_limit: limit });
  if (messages.length === 0) return 0;
  const sending = messages.map((message) => deliver(channels.get(message.channel), message));
  const deliveries = await timed("messages", Promise.all(sending), { outside: true });
  crashPoint("13-message-sent");
  const results = deliveries.map((delivery, i) => {
    const { message_id, channel } = messages[i]!;
    if (delivery.outcome !== "sent") {
      log("warn", "message_not_sent", { message_id, channel, ...delivery });
    }
    return { message_id, channel, ...delivery };
  });
  return await rpc<number>("finish_messages", { p_results: results });
}

async function deliver(
  channel: Channel | undefined,
  message: ClaimedMessage,
): Promise<Delivery> {
  if (channel === undefined) {
    return { outcome: "retry", detail: "the channel was switched off" };
  }
  return await channel.send({
    key: `cabina-message-${message.message_id}`,
    recipient: message.recipient,
    language: message.language,
    imageUrl: message.image_url,
  });
}
