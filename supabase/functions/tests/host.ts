import { createEvent } from "./fixtures.ts";
import { makePhoto } from "./photos.ts";
import { type Answer, callFunction, service, sql } from "./stack.ts";

/** What a host sends: the token of a PIN session, or that of an account. */
export interface Host {
  pinToken?: string;
  token?: string;
}

/** Calls a host's route. */
export function callHost(
  { pinToken, token }: Host,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  return callFunction(`event-admin/host/${path}`, body, {
    method,
    ...(token !== undefined && { token }),
    ...(pinToken !== undefined && { headers: { "x-host-token": pinToken } }),
  });
}

export const PIN = "482913";

let addresses = 0;

/** An address that no other test comes from. */
export function newAddress(): string {
  addresses++;
  const own = crypto.randomUUID().slice(0, 4);
  return `2001:db8:${own}:${addresses.toString(16)}::1`;
}

/** Enters an event with a PIN. */
export function enter(slug: string, pin: string, address = newAddress()): Promise<Answer> {
  return callFunction(`event-admin/events/${slug}/session`, { pin }, {
    apikey: null,
    headers: { "x-cabina-client-ip": address },
  });
}

/** An event that is entered with PIN, and a session of its host. */
export async function createHostedEvent(options: Parameters<typeof createEvent>[0] = {}) {
  const event = await createEvent(options);
  await sql`
    update public.events set client_access_pin = extensions.crypt(${PIN}, extensions.gen_salt('bf', 4))
    where id = ${event.id}`;
  const { body } = await enter(event.slug, PIN);
  return { ...event, host: { pinToken: body.token as string } };
}

const picture = await makePhoto(32, 32);

/** A finished photo of an event with its file where its visibility wants it. */
export async function addPhoto(eventId: string, visibility = "visible") {
  const path = `results/${crypto.randomUUID()}_1700000000000000001.png`;
  const bucket = visibility === "visible" ? "generations" : "generations_private";
  const { error } = await service.storage.from(bucket)
    .upload(path, picture, { contentType: "image/png" });
  if (error !== null) throw error;
  const url = service.storage.from("generations").getPublicUrl(path).data.publicUrl;
  const [photo] = await sql`
    insert into public.generations (event_id, style_id, status, visibility, result_path,
      expected_seconds, started_at, succeeded_at)
    values (${eventId}, 'pb_a', 'succeeded', ${visibility}, ${path}, 20, now(), now())
    returning id`;
  if (visibility === "visible") {
    // By an update, as when a photo is finished: the gallery follows.
    await sql`update public.generations set image_url = ${url} where id = ${photo!.id}`;
  }
  return { id: photo!.id as string, path, url };
}

/** In which buckets a picture lies. */
export async function bucketsOf(path: string): Promise<string[]> {
  const rows = await sql`
    select bucket_id from storage.objects where name = ${path} order by bucket_id`;
  return rows.map((row) => row.bucket_id);
}
