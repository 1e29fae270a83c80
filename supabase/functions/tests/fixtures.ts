import { randomInt } from "node:crypto";
import { SignJWT } from "jose";
import { callFunction, eventually, sql, stack } from "./stack.ts";

/** Uploads a guest's selfie as a thin client does: its path for a generate request, or why there is none. */
export async function uploadSelfie(
  eventSlug: string,
  photo: Uint8Array,
): Promise<{ photo_path: string } | { error: string }> {
  const { status, body } = await callFunction("cabina-vision/upload-url", {
    content_type: "image/jpeg",
    event_slug: eventSlug,
  });
  if (status !== 200) return { error: body.error };
  const response = await fetch(body.signed_url, {
    method: "PUT",
    headers: { "content-type": "image/jpeg" },
    body: photo as Uint8Array<ArrayBuffer>,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the upload was answered ${response.status}: ${text}`);
  return { photo_path: body.photo_path };
}

interface EventOptions {
  credits?: number;
  columns?: Record<string, unknown>;
}

/** An event of its own partner, with credits moved through the ledger. */
export async function createEvent({ credits = 5, columns = {} }: EventOptions = {}) {
  const slug = `test-${randomInt(2 ** 40).toString(36)}`;
  const [partner] = await sql`insert into partners (name) values (${slug}) returning id`;
  const [event] = await sql`
    insert into events (event_name, event_slug, partner_id) values (${slug}, ${slug}, ${
    partner!.id
  })
    returning id, event_slug, access_key`;
  if (credits > 0) {
    await sql`select private.grant_credits('partner', ${partner!.id}, ${credits}, 'test')`;
    await sql`select private.allocate_event_credits(${event!.id}, ${credits})`;
  }
  // Last: a closed event takes no credits.
  if (Object.keys(columns).length > 0) {
    await sql`update events set ${sql(columns as never)} where id = ${event!.id}`;
  }
  return {
    id: event!.id as string,
    slug: event!.event_slug as string,
    key: event!.access_key as string,
    partnerId: partner!.id as string,
  };
}

/** Credits that an event has used, by its row. */
export async function creditsUsed(eventId: string): Promise<number> {
  const [row] = await sql`select credits_used from events where id = ${eventId}`;
  return row!.credits_used;
}

/** A person with a confirmed address (and so the bonus of 500), and a token for them. */
export async function createPerson(columns: { role?: string } = {}) {
  const id = crypto.randomUUID();
  const email = `${id}@example.test`;
  await sql`insert into auth.users (id, email, email_confirmed_at) values (${id}, ${email}, now())`;
  if (columns.role !== undefined) {
    await sql`update profiles set role = ${columns.role} where id = ${id}`;
  }
  return { id, email, token: await mintToken(id, email) };
}

/** A token as auth would issue it. */
export function mintToken(id: string, email: string, secret = stack.jwt_secret, expires = "1h") {
  return new SignJWT({ role: "authenticated", aud: "authenticated", email, sub: id })
    .setProtectedHeader({ alg: "HS256", typ: "JWT", kid: "local" })
    .setIssuedAt().setExpirationTime(expires).sign(new TextEncoder().encode(secret));
}

/** Credits of a person, by their row. */
export async function creditsOf(personId: string): Promise<number> {
  const [row] = await sql`select credits from profiles where id = ${personId}`;
  return row!.credits;
}

/** Polls `check` until the generation is finished. */
export async function finished(generationId: string, token?: string) {
  return await eventually(`the end of ${generationId}`, async () => {
    const { body } = await callFunction(
      "cabina-vision",
      { action: "check", generation_id: generationId },
      token === undefined ? {} : { token },
    );
    return ["success", "fail"].includes(body.state) && body;
  });
}
