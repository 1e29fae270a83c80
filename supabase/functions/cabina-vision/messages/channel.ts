import type { Language } from "../../_shared/errors.ts";

/** A way to reach somebody who left a contact with their photo. */
export interface Channel {
  name: "email" | "whatsapp";
  /** Sends one message. Never throws: every way it can go is a delivery. */
  send(message: Message): Promise<Delivery>;
}

export interface Message {
  /** The same for each try, so that a provider that knows such keys sends once. */
  key: string;
  recipient: string;
  language: Language;
  /** Where the picture is; null when it could not be made. */
  imageUrl: string | null;
}

/**
 * - `sent`: the provider took it.
 * - `refused`: it never will, because of the contact.
 * - `retry`: it may take it later.
 * - `misconfigured`: it does not take anything from us, until an operator has looked after it.
 *
 * `detail` is a code and no text of the answer, which may quote the contact.
 */
export type Delivery =
  | { outcome: "sent" }
  | { outcome: "refused" | "retry" | "misconfigured"; detail: string };
