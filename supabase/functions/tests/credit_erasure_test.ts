import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { creditsOf, mintToken } from "./fixtures.ts";
import { callFunction, service, sql, test } from "./stack.ts";

interface Person {
  id: string;
  email: string;
  name: string;
}

/** Signs up with a confirmed address, as somebody's friend if a code is given. */
async function signUp(email: string, name: string, referralCode?: string): Promise<Person> {
  const id = crypto.randomUUID();
  const metadata = { full_name: name, ...(referralCode && { referral_code: referralCode }) };
  await sql`
    insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
    values (${id}, ${email}, now(), ${sql.json(metadata)})`;
  return { id, email, name };
}

function newcomer(referralCode?: string): Promise<Person> {
  const word = randomInt(2 ** 40).toString(36);
  return signUp(`remigia.${word}@example.test`, `Remigia Zuviría-${word}`, referralCode);
}

/** An order of the person, in whose texts they appear, paid by a payment of its own. */
async function buy(person: Person, credits: number): Promise<string> {
  const payment = `erasure-${crypto.randomUUID()}`;
  const [order] = await sql`
    insert into payment_orders (
      user_id, pack_id, credits, amount, currency, status, init_point, idempotency_key, request_hash
    )
    select ${person.id}, id, ${credits}, 100, 'ARS', 'paid', ${`https://pay.test/?payer=${person.email}`},
      ${`for ${person.name}`} || gen_random_uuid(), ''
    from credit_packs limit 1 returning id`;
  await sql`select private.purchase_credits(${order!.id}, ${payment})`;
  const data = { notification: { id: payment }, payment: { payer: { email: person.email } } };
  await sql`
    insert into payment_notifications (mercadopago_id, user_id, order_id, credits_added, status, data)
    values (${payment}, ${person.id}, ${order!.id}, ${credits}, 'approved', ${sql.json(data)})`;
  return payment;
}

/** A photo that the person pays, and whose answer goes to their address; not to be dispatched. */
async function beginPhoto({ id, email, name }: Person): Promise<string> {
  return await sql.begin(async (sql) => {
    const [photo] = await sql`
      select (begin_generation(
        'pb_a', '3:4', ${`${id}/selfie.jpg`}, null, ${id},
        p_idempotency_key => ${name} || gen_random_uuid(), p_client_address => ${email}
      )).generation_id as id`;
    await sql`update generations set run_at = now() + interval '1 hour' where id = ${photo!.id}`;
    await sql`
      insert into private.outbox (generation_id, channel, recipient, run_at)
      values (${photo!.id}, 'email', ${email}, now() + interval '1 hour')`;
    return photo!.id;
  });
}

/** Gives a person a history of every kind. Returns a photo that is still under way. */
async function liveThrough(person: Person): Promise<string> {
  const staff = crypto.randomUUID();
  const payment = await buy(person, 4000);
  await sql`select private.grant_credits(
    'user', ${person.id}, 1000, ${`Sorry, ${person.name} (${person.email})`}, null, ${staff})`;
  await sql`select private.adjust_credits(
    'user', ${person.id}, -100, ${`Asked for by ${person.email}`}, null, ${staff})`;
  await sql`
    insert into private.audit_log (actor_id, action, target, target_id, before, after)
    values (${staff}, 'grant', 'user', ${person.id}, ${sql.json({ name: person.name })},
      ${sql.json({ name: person.name, email: person.email })})`;

  // They bring a friend, who buys: a reward.
  const [profile] = await sql`select referral_code from profiles where id = ${person.id}`;
  await buy(await newcomer(profile!.referral_code), 500);

  await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', ${JSON.stringify({ sub: person.id })}, true)`;
    await sql`select unlock_style_pack('Superhéroes')`;
  });
  const failed = await beginPhoto(person);
  await sql`select fail_generation(${failed}, 'GENERATION_FAILED')`;
  const underWay = await beginPhoto(person);
  // Half of the purchase is taken back: more than is left, so that the rest is a debt.
  await sql`select private.reverse_purchase(${payment}, 3500)`;
  return underWay;
}

/** Tables of the project in which a text appears in any column, as text or as the bytes of one. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await sql<{ schema: string; name: string }[]>`
    select schemaname as schema, tablename as name from pg_tables
    where schemaname in ('public', 'private') order by 2`;
  const found: string[] = [];
  for (const { schema, name } of tables) {
    const [hit] = await sql`
      select from ${sql(schema)}.${sql(name)} as line
      where strpos(lower(line::text), lower(${text})) > 0
        or strpos(line::text, encode(convert_to(${text}, 'UTF8'), 'hex')) > 0
      limit 1`;
    if (hit) found.push(name);
  }
  return found;
}

async function kindsOf(personId: string): Promise<string[]> {
  const rows = await sql`
    select distinct kind::text from private.credit_movements
    where ${personId} in (source_id, destination_id) order by 1`;
  return rows.map(({ kind }) => kind);
}

async function debtOf(personId: string): Promise<number> {
  const [row] = await sql`select private.debt_of('user', ${personId}) as debt`;
  return row!.debt;
}

const ways: Record<string, (person: Person) => Promise<void>> = {
  "auth.admin.deleteUser": async ({ id }) => {
    const { error } = await service.auth.admin.deleteUser(id);
    assert.equal(error, null);
  },
  "DELETE account": async ({ id, email }) => {
    const answer = await callFunction("cabina-vision/account", undefined, {
      method: "DELETE",
      token: await mintToken(id, email),
    });
    assert.deepEqual([answer.status, answer.body.deleted], [200, true]);
  },
};

for (const [way, erase] of Object.entries(ways)) {
  test(`a person with a history of every kind is erased by ${way} without a trace of who it was`, async () => {
    const friend = await newcomer();
    const [{ referral_code: code }] = await sql`
      select referral_code from profiles where id = ${friend.id}` as [{ referral_code: string }];
    const person = await newcomer(code);
    const underWay = await liveThrough(person);
    const before = await kindsOf(person.id);
    assert.deepEqual(before, [
      "adjustment",
      "charge",
      "grant",
      "purchase",
      "purchase_reversal",
      "referral_reward",
      "refund",
      "signup_bonus",
      "unlock",
    ]);
    assert.ok(await debtOf(person.id) > 0);
    // The search finds what is there to be erased.
    const words = [person.email, person.name];
    const everywhere = new Set((await Promise.all(words.map(tablesWith))).flat());
    assert.deepEqual([...everywhere].sort(), [
      "audit_log",
      "credit_notes",
      "generations",
      "outbox",
      "payment_notifications",
      "payment_orders",
      "profiles",
    ]);

    await erase(person);

    assert.deepEqual(await Promise.all(words.map(tablesWith)), [[], []]);
    // History stays, by bare id.
    assert.deepEqual(await kindsOf(person.id), [...before, "erasure"].sort());
    const [order] = await sql`
      select count(*)::int from payment_orders where user_id = ${person.id} and credits = 4000`;
    assert.equal(order!.count, 1);
    assert.equal(await debtOf(person.id), 0);

    // What is refunded now comes back to nobody.
    await sql`select fail_generation(${underWay}, 'GENERATION_TIMED_OUT')`;
    const [refund] = await sql`
      select destination::text from private.credit_movements
      where generation_id = ${underWay} and kind = 'refund'`;
    assert.equal(refund!.destination, "written_off");

    for (const email of [person.email, person.email.toUpperCase().replace("@", "+again@")]) {
      const again = await signUp(email, person.name);
      assert.equal(await creditsOf(again.id), 0);
      assert.deepEqual(await kindsOf(again.id), []);
    }
  });
}
