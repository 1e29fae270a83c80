import { createEvent, createPerson } from "./fixtures.ts";
import { makePhoto } from "./photos.ts";
import { service, sql, stack } from "./stack.ts";

/** Somebody with an account. */
export type Person = Awaited<ReturnType<typeof createPerson>>;

/** A whole tenant with the people around it, whose secrets a test can look for elsewhere. */
export interface Tenant {
  owner: Person;
  host: Person;
  user: Person;
  partnerId: string;
  clientId: string;
  event: { id: string; slug: string };
  /** Pictures of guests: one in the gallery, one hidden; and one of the user. */
  photos: Record<"shown" | "hidden" | "own", { id: string; path: string }>;
  orders: Record<"user" | "partner", string>;
  /** Paths of the user's and of a guest's selfie. */
  selfies: Record<"user" | "guest", string>;
  secrets: {
    /** What no client role may read, not even the tenant's own. */
    forNobody: Record<string, string>;
    /** What only the tenant's people and a master may read. */
    forOthers: Record<string, string>;
  };
}

/** The bytes of all pictures and selfies of tenants. */
export const picture = await makePhoto(64, 64);

/** Builds a tenant: partner, client and event with photos of guests, a user with photos, orders of both. */
export async function createTenant(): Promise<Tenant> {
  const [owner, host, user, event] = await Promise.all([
    createPerson({ role: "partner" }),
    createPerson({ role: "client" }),
    createPerson(),
    createEvent({ credits: 50 }),
  ]);
  const mark = crypto.randomUUID().slice(0, 8);
  const contacts = {
    partnerEmail: `sales-${mark}@partner.test`,
    clientEmail: `host-${mark}@client.test`,
    eventEmail: `party-${mark}@event.test`,
    phone: `+54911${mark}`,
    legalName: `Legal ${mark} S.A.`,
  };
  await sql`
    update partners
    set user_id = ${owner.id}, contact_email = ${contacts.partnerEmail}, contact_phone = ${contacts.phone},
      business_name = ${contacts.legalName}
    where id = ${event.partnerId}`;
  const [client] = await sql`
    insert into clients (partner_id, user_id, name, email)
    values (${event.partnerId}, ${host.id}, ${`Client ${mark}`}, ${contacts.clientEmail})
    returning id`;
  const [pin] = await sql`
    update events
    set client_id = ${
    client!.id
  }, client_email = ${contacts.eventEmail}, config = '{"gallery":"open"}',
      client_access_pin = extensions.crypt('482913', extensions.gen_salt('bf', 4))
    where id = ${event.id}
    returning client_access_pin`;

  const guest = {
    guestId: `guest_${mark}`,
    address: `2001:db8::${mark.slice(0, 4)}:${mark.slice(4)}`,
  };
  const shown = await createPhoto({ event, ...guest });
  const hidden = await createPhoto({ event, ...guest, isHidden: true });
  const own = await createPhoto({ userId: user.id });
  const selfies = {
    user: `${user.id}/selfie.jpg`,
    guest: `guests/${mark.repeat(4)}/${crypto.randomUUID()}.jpg`,
  };
  await Promise.all([
    ...Object.values(selfies).map((path) => put("user_photos", path)),
    put("event_assets", `events/${event.id}/logo.png`),
  ]);
  const orders = {
    user: await createOrder(user.id, null, mark),
    partner: await createOrder(owner.id, event.partnerId, mark),
  };

  const people = { owner, host, user };
  return {
    ...people,
    partnerId: event.partnerId,
    clientId: client!.id,
    event: { id: event.id, slug: event.slug },
    photos: { shown, hidden, own },
    orders,
    selfies,
    secrets: {
      forNobody: {
        pinHash: pin!.client_access_pin,
        accessKey: event.key,
        ...guest,
        hiddenPath: hidden.path,
        guestSelfie: selfies.guest,
        taskId: `task-${shown.id}`,
        gatewayData: `payer-${mark}`,
        idempotencyKey: `idempotency-${mark}`,
      },
      forOthers: {
        ...contacts,
        clientId: client!.id,
        partnerId: event.partnerId,
        ...Object.fromEntries(
          Object.entries(people).flatMap((
            [who, { id, email }],
          ) => [[who, id], [`${who}Email`, email]]),
        ),
        ...Object.fromEntries(
          Object.entries({ shown, hidden, own }).map(([which, { id }]) => [`${which}Photo`, id]),
        ),
        userOrder: orders.user,
        partnerOrder: orders.partner,
      },
    },
  };
}

/** All rows of a tenant, hidden columns included, to compare before and after an attack. */
export async function rowsOf({ owner, host, user, partnerId, event }: Tenant): Promise<unknown> {
  const people = [owner.id, host.id, user.id];
  const [rows] = await sql`
    select
      (select json_agg(t order by id) from profiles t where id = any(${people})) as profiles,
      (select json_agg(t order by id) from partners t where id = ${partnerId}) as partners,
      (select json_agg(t order by id) from clients t where partner_id = ${partnerId}) as clients,
      (select json_agg(t order by id) from events t where partner_id = ${partnerId}) as events,
      (select json_agg(t order by id) from generations t
        where event_id = ${event.id} or user_id = any(${people})) as generations,
      (select json_agg(t order by id) from payment_orders t where user_id = any(${people})) as orders,
      (select json_agg(t order by id) from payment_notifications t
        where user_id = any(${people})) as notifications,
      (select json_agg(t order by style_id) from favorites t where user_id = any(${people})) as favorites,
      (select json_agg(t order by pack) from pack_unlocks t where user_id = any(${people})) as unlocks`;
  return rows;
}

/** All files of tenants and of guests, to compare before and after an attack. */
export async function filesOf(...tenants: Tenant[]): Promise<unknown> {
  const folders = ["guests", ...tenants.map(({ user }) => user.id)];
  return await sql`
    select bucket_id, name, version, owner_id, metadata
    from storage.objects
    where bucket_id <> 'user_photos' or split_part(name, '/', 1) = any(${folders})
    order by bucket_id, name`;
}

interface PhotoOptions {
  event?: { id: string };
  guestId?: string;
  address?: string;
  userId?: string;
  isHidden?: boolean;
}

/** A finished photo: paid for by begin_generation, and its picture where it belongs. */
async function createPhoto(options: PhotoOptions) {
  const { event, guestId, address, userId, isHidden = false } = options;
  const selfie = event
    ? `guests/${crypto.randomUUID().replaceAll("-", "")}/a.jpg`
    : `${userId}/a.jpg`;
  // One transaction, so that no sweeper finds it in the queue.
  const photo = await sql.begin(async (tx) => {
    if (event) {
      await tx`insert into private.photo_uploads (path, event_id) values (${selfie}, ${event.id})`;
    }
    const [begun] = await tx`
      select generation_id as id
      from begin_generation('pb_a', '3:4', ${selfie}, p_user_id => ${userId ?? null},
        p_event_id => ${event?.id ?? null}, p_guest_id => ${guestId ?? null}, p_client_address => ${
      address ?? null
    })`;
    const [row] = await tx`
      update generations
      set status = 'succeeded', started_at = now(), succeeded_at = now(),
        visibility = ${isHidden ? "hidden" : "visible"},
        image_url = case when not ${isHidden}::boolean
          then ${`${stack.api_url}/storage/v1/object/public/generations/`} || result_path end
      where id = ${begun!.id}
      returning id, result_path as path`;
    await tx`
      insert into private.generation_attempts
        (generation_id, attempt, status, account, task_id, token_hash, model, prompt_version, submitted_at, finished_at)
      values (${row!.id}, 1, 'succeeded', 'test', ${`task-${row!.id}`}, sha256(${
      row!.id
    }::text::bytea), 'test', 1,
        now(), now())`;
    return row as unknown as { id: string; path: string };
  });
  await put(isHidden ? "generations_private" : "generations", photo.path);
  return photo;
}

async function createOrder(
  userId: string,
  partnerId: string | null,
  mark: string,
): Promise<string> {
  const [order] = await sql`
    insert into payment_orders
      (user_id, partner_id, pack_id, credits, amount, currency, idempotency_key, request_hash)
    select ${userId}, ${partnerId}, id, credits, price, currency, ${`idempotency-${mark}`}, '\\x00'
    from credit_packs where audience = ${partnerId === null ? "user" : "partner"} limit 1
    returning id`;
  await sql`
    insert into payment_notifications (mercadopago_id, user_id, order_id, status, data)
    values (${crypto.randomUUID()}, ${userId}, ${order!.id}, 'pending', ${
    sql.json({ payment: { payer: `payer-${mark}` } })
  })`;
  return order!.id;
}

async function put(bucket: string, path: string): Promise<void> {
  const { error } = await service.storage.from(bucket).upload(path, picture, {
    contentType: "image/jpeg",
  });
  if (error !== null) throw error;
}
