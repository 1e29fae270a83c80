// Messages to those who left a contact with their photo: once, in their language, and then the contact is gone.
import assert from "node:assert/strict";
import { createEvent, finished } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { callHost, createHostedEvent } from "./host.ts";
import { callFunction, controlProvider, eventually, sql, stack, sweep, test } from "./stack.ts";

interface Mail {
  to: string;
  subject: string;
  text: string;
  links: string[];
}

async function mailsTo(recipient: string): Promise<Mail[]> {
  const response = await fetch(`${stack.sim_url}/mail?to=${encodeURIComponent(recipient)}`);
  return (await response.json()).mails;
}

/** Has the next message of a channel go wrong: to be called before its photo ends, since the stack sweeps too. */
async function spoil(channel: "email" | "whatsapp", fault: Record<string, unknown>) {
  const response = await fetch(`${stack.sim_url}/messages/_control`, {
    method: "POST",
    body: JSON.stringify({ channel, ...fault }),
  });
  assert.equal(response.status, 200, await response.text());
}

const newAddress = () => `${crypto.randomUUID()}@guest.test`;
const newPhone = () => `+54911${crypto.getRandomValues(new Uint32Array(1))[0]! % 1e8 + 1e8}`;

/** Begins a photo for which somebody leaves a contact. */
async function begin(slug: string, contact: Record<string, string>, language = "en") {
  const request = { ...await guestRequest(slug), ...contact };
  const { status, body } = await callFunction("cabina-vision", request, {
    headers: { "accept-language": language },
  });
  assert.equal(status, 202, JSON.stringify(body));
  return body.generation_id as string;
}

/** The row of a message; sweeps run meanwhile, and each try is due at once. */
function messageOf(id: string, channel: string, until: (row: Row) => boolean): Promise<Row> {
  return eventually(`the message about ${id}`, async () => {
    await sql`update private.outbox set run_at = now() where generation_id = ${id} and recipient is not null`;
    assert.equal((await sweep()).status, 200);
    const [row] = await sql<Row[]>`
      select recipient, sent_at is not null as is_sent, given_up_at is not null as is_given_up, tries, last_error
      from private.outbox where generation_id = ${id} and channel = ${channel}`;
    return row !== undefined && until(row) && row;
  });
}

interface Row {
  recipient: string | null;
  is_sent: boolean;
  is_given_up: boolean;
  tries: number;
  last_error: string | null;
}

test("a guest gets the picture by e-mail and WhatsApp, once, in their language", async () => {
  const event = await createEvent();
  const [email, phone] = [newAddress(), newPhone()];
  const id = await begin(event.slug, { email, phone }, "pt-BR,pt");
  const { image_url } = await finished(id);
  const message = await messageOf(id, "email", (row) => row.is_sent);
  assert.deepEqual(
    [message.recipient, message.last_error],
    [null, null],
    "the contact is forgotten",
  );
  assert.equal((await messageOf(id, "whatsapp", (row) => row.is_sent)).recipient, null);
  await Promise.all([sweep(), sweep()]);

  const mails = await mailsTo(email);
  assert.deepEqual(mails.map(({ subject, links }) => [subject, links]), [
    ["Sua foto está pronta", [image_url]],
  ]);
  const chats = await mailsTo(phone);
  assert.deepEqual(chats.map(({ subject, links }) => [subject, links]), [
    ["WhatsApp: foto_lista (pt_BR)", [image_url]],
  ]);
});

test("many sweeps at once send a message once", async () => {
  const event = await createEvent();
  const email = newAddress();
  const id = await begin(event.slug, { email });
  await finished(id);
  await Promise.all(Array.from({ length: 5 }, () => sweep()));
  await messageOf(id, "email", (row) => row.is_sent);
  assert.equal((await mailsTo(email)).length, 1);
});

test("whoever waits for a photo that fails is told so", async () => {
  await controlProvider({ fail: { fail_code: "422", fail_msg: "no face", rate: 1 } });
  try {
    const event = await createEvent();
    const [email, phone] = [newAddress(), newPhone()];
    const id = await begin(event.slug, { email, phone }, "es");
    assert.equal((await finished(id)).state, "fail");
    await messageOf(id, "email", (row) => row.is_sent);
    await messageOf(id, "whatsapp", (row) => row.is_sent);
    const [mail] = await mailsTo(email);
    assert.equal(mail!.subject, "Tu foto no salió");
    assert.match(mail!.text, /no se cobró nada/);
    const [chat] = await mailsTo(phone);
    assert.equal(chat!.subject, "WhatsApp: foto_fallida (es)");
  } finally {
    await controlProvider();
  }
});

test("a message that did not get through is tried again; a lost answer sends no second e-mail", async () => {
  const event = await createEvent();
  for (
    const fault of [{ status: 500 }, { status: 429 }, { status: 0 }, { status: 0, accepted: true }]
  ) {
    const email = newAddress();
    await spoil("email", fault);
    const id = await begin(event.slug, { email });
    await finished(id);
    const { tries } = await messageOf(id, "email", (row) => row.is_sent);
    assert.equal(tries, 2, JSON.stringify(fault));
    assert.equal((await mailsTo(email)).length, 1, JSON.stringify(fault));
  }
});

test("a contact that is refused is not tried again, and forgotten", async () => {
  const event = await createEvent();
  await spoil("email", { status: 422, code: "validation_error" });
  const first = await begin(event.slug, { email: newAddress() });
  await finished(first);
  const refused = await messageOf(first, "email", (row) => row.is_given_up);
  assert.deepEqual([refused.recipient, refused.tries, refused.last_error], [
    null,
    1,
    "HTTP 422: validation_error",
  ]);

  await spoil("whatsapp", { status: 400, code: 131026 });
  const second = await begin(event.slug, { phone: newPhone() });
  await finished(second);
  const unreachable = await messageOf(second, "whatsapp", (row) => row.is_given_up);
  assert.deepEqual([unreachable.recipient, unreachable.last_error], [null, "HTTP 400: 131026"]);
});

test("a channel that refuses us waits for an operator, and goes on by itself", async () => {
  const event = await createEvent();
  const email = newAddress();
  await spoil("email", { status: 401, code: "invalid_api_key", next: 100 });
  const id = await begin(event.slug, { email });
  await finished(id);
  const waiting = await messageOf(id, "email", (row) => row.last_error !== null);
  assert.deepEqual([waiting.is_given_up, waiting.recipient], [false, email]);
  const alerts = () =>
    sql`select resolved_at is null as is_open from private.alerts
      where kind = 'message_channel_refused' and subject = 'email' order by id desc limit 1`;
  assert.equal((await alerts())[0]!.is_open, true);
  const healed = await fetch(`${stack.sim_url}/messages/_control`, { method: "DELETE" });
  assert.equal(healed.status, 200, await healed.text());
  await messageOf(id, "email", (row) => row.is_sent);
  assert.equal((await alerts())[0]!.is_open, false);
});

test("a picture that waits for approval is told of when the host approves it, a deleted one never", async () => {
  const event = await createHostedEvent({
    credits: 5,
    columns: { config: { moderation: "before" } },
  });
  const [approved, deleted] = [newAddress(), newAddress()];
  const first = await begin(event.slug, { email: approved });
  const second = await begin(event.slug, { email: deleted });
  await finished(first);
  await finished(second);
  await sweep();
  assert.equal((await mailsTo(approved)).length, 0);
  await callHost(event.host, "PATCH", `photos/${first}`, { visibility: "visible" });
  await callFunction(`cabina-vision/generations/${second}`, undefined, { method: "DELETE" });
  await messageOf(first, "email", (row) => row.is_sent);
  await messageOf(second, "email", (row) => row.is_given_up && row.recipient === null);
  assert.deepEqual([(await mailsTo(approved)).length, (await mailsTo(deleted)).length], [1, 0]);
});
