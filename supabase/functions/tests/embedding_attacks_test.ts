import assert from "node:assert/strict";
import { type Actor, ask, clientOf, leaksIn, openTables, strangers } from "./actors.ts";
import { sql, test } from "./stack.ts";
import { createTenant } from "./tenants.ts";

// Attacks on the Data API by embedding and counting. Their numbers are those of docs/security.md.

const victim = await createTenant();
const attackers = strangers(await createTenant());
const [, user, client, partner] = attackers as [Actor, Actor, Actor, Actor];
await sql`insert into favorites (user_id, style_id) values (${victim.user.id}, 'pb_a')`;

/** Ways from what one may read to what one may not: the table to start from, what is embedded. */
const detours: [string, string][] = [
  ["events", "id,partners(id,name,contact_email,profiles(email))"],
  ["events", "id,...partners(contact_email)"],
  ["events", "id,clients(id,email,partners!clients_partner_id_fkey(contact_email))"],
  ["events", "id,generations(id,image_url)"],
  ["partners", "id,clients!clients_partner_id_fkey(id,email,profiles!clients_user_id_fkey(email))"],
  ["partners", "id,user_id(email,clients(email))"],
  ["clients", "id,email,profiles!clients_user_id_fkey(id,email)"],
  ["clients", "id,events(id,client_email)&events.order=client_email"],
  ["clients", "id,events!inner(id)&events.client_email=not.is.null"],
  ["generations", "id,events(id,clients(id,email))"],
  ["generations", "id,profiles!generations_user_id_fkey(id,email)"],
  ["styles_metadata", "id,generations(id,user_id,event_id)"],
  ["styles_metadata", "id,favorites(user_id)"],
  ["styles_metadata", "id,profiles!favorites(id,email)"],
  ["styles_metadata", "id,profiles!generations(id,email)"],
  ["credit_packs", "id,payment_orders(id,user_id,partner_id)"],
  ["profiles", "id,referred_by(id,email)"],
  ["profiles", "id,profiles!profiles_referred_by_fkey(id,email)"],
  ["profiles", "id,partners(id),clients(id),generations(id),favorites(user_id)"],
];

test("T04 no embedding leads to rows of another tenant", async () => {
  for (const [table, select] of detours) {
    for (const actor of attackers) {
      const path = `rest/v1/${table}?select=${select}`;
      const answer = await ask(path, actor);
      const closed = actor.token === null ? 401 : 200;
      assert.equal(answer.status, closed, `${actor.name}: ${path}: ${answer.text}`);
      const secrets = { ...victim.secrets.forNobody, ...victim.secrets.forOthers };
      assert.deepEqual(leaksIn(answer.text, secrets), [], `${actor.name}: ${path}`);
    }
  }
});

test("T04 closed tables and schemas cannot be embedded", async () => {
  const secret: [string, string, string][] = [
    ["styles_metadata", "id,identity_prompts(master_prompt)", "42501"],
    ["clients", "id,events(access_key)", "42501"],
    ["clients", "id,events(*)", "42501"],
    ["partners", "id,events!inner(id)&events.client_access_pin=like.*", "42501"],
    ["events", "id,generations(guest_id)", "42501"],
    ["generations", "id,generation_attempts(*)", "PGRST205"],
    ["events", "id,pin_sessions(*)", "PGRST205"],
    ["event_gallery", "image_url,gallery_photos(generation_id)", "PGRST205"],
    ["event_gallery", "image_url,generations(id)", "PGRST200"],
  ];
  for (const actor of [user, client, partner]) {
    for (const [table, select, code] of secret) {
      const answer = await ask(`rest/v1/${table}?select=${select}`, actor);
      // The hosted service says PGRST200 for every relation that it does not know.
      const codes = code === "PGRST205" ? [code, "PGRST200"] : [code];
      assert.ok(codes.includes(answer.body.code), `${actor.name}: ${table}: ${answer.text}`);
    }
  }
});

test("T05 counts are of one's own rows", async () => {
  for (const actor of attackers) {
    for (const table of await openTables()) {
      const [key] = actor.token === null ? table.forAnon : table.forPeople;
      if (key === undefined) continue;
      const { data, count } = await clientOf(actor).from(table.name).select(key, {
        count: "exact",
      });
      assert.equal(count, data!.length, `${actor.name}: ${table.name}`);
      const head = await clientOf(actor).from(table.name).select(key, {
        count: "exact",
        head: true,
      });
      assert.equal(head.count, count, `${actor.name}: HEAD ${table.name}`);
    }
  }
  const { data } = await clientOf(user).from("styles_metadata").select("generations(count)");
  const counts = (data as unknown as { generations: [{ count: number }] }[])
    .map(({ generations: [{ count }] }) => count);
  assert.equal(counts.reduce((sum, count) => sum + count), 1, "one photo is theirs");
});

test("T05 aggregates are refused", async () => {
  const sums = [
    "events?select=count()",
    "profiles?select=credits.sum()",
    "events?select=credits_used.max()",
  ];
  for (const path of [...sums, "partners?select=events(credits_used.sum())"]) {
    for (const actor of attackers) {
      const answer = await ask(`rest/v1/${path}`, actor);
      assert.deepEqual(
        [answer.status, answer.body.code],
        [400, "PGRST123"],
        `${path}: ${answer.text}`,
      );
    }
  }
});

test("T05 counts that the planner guesses from rows of everybody are refused", async () => {
  for (const count of ["planned", "estimated", " Planned"]) {
    for (const actor of attackers) {
      const answer = await ask(
        `rest/v1/events?select=id&partner_id=eq.${victim.partnerId}`,
        actor,
        {
          headers: { prefer: `count=${count}` },
        },
      );
      assert.equal(answer.status, 400, `${actor.name} ${count}: ${answer.text}`);
      assert.equal(answer.headers.get("content-range"), null);
    }
  }
});
