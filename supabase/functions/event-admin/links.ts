import { requireEnv } from "../_shared/env.ts";

/** Where a guest enters an event: the front end, with the event's key and the label of a table if given. */
export function guestUrl(
  eventSlug: string,
  { key, label }: { key?: string | undefined; label?: string | undefined } = {},
): string {
  return frontEnd({ event: eventSlug, k: key, t: label });
}

/** Where an invited person accepts. */
export function invitationUrl(token: string): string {
  return frontEnd({ invitation: token });
}

function frontEnd(parameters: Record<string, string | undefined>): string {
  const address = new URL(requireEnv("CABINA_APP_URL"));
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) address.searchParams.set(name, value);
  }
  return address.href;
}
