import { crashPoint } from "../../_shared/crash_point.ts";
import { rpc } from "../../_shared/database.ts";
import type { Language } from "../../_shared/errors.ts";
import { describeError, log, timed } from "../../_shared/log.ts";
import type { Channel } from "./channel.ts";
import { configuredChannels } from "./channels.ts";

/** A row of `claim_messages`. */
interface ClaimedMessage {
  message_id: number;
  message_key: string;
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

/** Few enough not to be too fast for a provider, and for all that a sweep claims to be sent within their lease. */
const AT_ONCE = 5;

/**
 * Sends up to `limit` messages that are due; returns how many went out. A message of which nothing is noted, since
 * the process died, is sent again later: under the same key, so that e-mail goes out once.
 */
export async function sendMessages(limit: number): Promise<number> {
  const channels = new Map(
    configuredChannels().map((channel) => [channel.name, channel]),
  );
  // Also without a channel: contacts that were left while there was one do not stay for ever.
  const messages = await rpc<ClaimedMessage[]>("claim_messages", {
    p_limit: limit,
    p_channels: [...channels.keys()],
  });
  const queue = messages.values();
  const sent = await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    let count = 0;
    for (const message of queue) {
      count += await deliver(channels.get(message.channel)!, message);
    }
    return count;
  }));
  return sent.reduce((sum, count) => sum + count, 0);
}

/** Sends one message and notes at once what became of it: what is not noted is sent again. Returns 1 if it was sent. */
async function deliver(
  channel: Channel,
  message: ClaimedMessage,
): Promise<number> {
  const ids = { message_id: message.message_id, channel: message.channel };
  const sending = channel.send({
    key: message.message_key,
    recipient: message.recipient,
    language: message.language,
    imageUrl: message.image_url,
  });
  const delivery = await timed("message", sending, { ...ids, outside: true });
  if (delivery.outcome === "sent") crashPoint("13-message-sent");
  else log("warn", "message_not_sent", { ...ids, ...delivery });
  try {
    return await rpc<number>("finish_messages", {
      p_results: [{ ...ids, ...delivery }],
    });
  } catch (error) {
    log("error", "message_not_noted", { ...ids, error: describeError(error) });
    return 0;
  }
}
