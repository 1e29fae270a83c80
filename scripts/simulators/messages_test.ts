import assert from "node:assert/strict";
import { fetchOnce } from "../../supabase/functions/_shared/fetch.ts";
import { startSimulators } from "./app.ts";
import { RESEND_KEY, TEMPLATES, WHATSAPP_NUMBER, WHATSAPP_TOKEN } from "./messages.ts";

async function withSimulators(body: (url: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  const { url, close } = await startSimulators({ port: 0, folder });
  try {
    await body(url);
  } finally {
    await close();
    await Deno.remove(folder, { recursive: true });
  }
}

async function post(address: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetchOnce(address, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function mailsTo(url: string, to: string) {
  return (await (await fetch(`${url}/mail?to=${encodeURIComponent(to)}`)).json()).mails;
}

const mail = {
  from: "Cabina <fotos@cabina.test>",
  to: ["ana@example.com"],
  subject: "Your photo",
  html: "",
  text: "https://x.test/p.png",
};

Deno.test("the e-mail API sends once for each key, and refuses what the real one refuses", () =>
  withSimulators(async (url) => {
    const send = (body: unknown, key: string, token = RESEND_KEY) =>
      post(`${url}/resend/emails`, body, {
        authorization: `Bearer ${token}`,
        "idempotency-key": key,
      });
    const first = await send(mail, "a");
    assert.deepEqual(await send(mail, "a"), first);
    assert.equal((await mailsTo(url, "ana@example.com")).length, 1);
    assert.equal((await send({ ...mail, subject: "Other" }, "a")).status, 409);
    assert.equal((await send(mail, "b")).status, 200);
    assert.equal((await send(mail, "c", "wrong")).status, 401);
    assert.equal((await send({ ...mail, to: ["nobody"] }, "d")).body.name, "validation_error");
    assert.equal((await mailsTo(url, "ana@example.com")).length, 2);
  }));

Deno.test("the WhatsApp API takes approved templates with their parameters, and nothing else", () =>
  withSimulators(async (url) => {
    const send = (template: unknown, to = "5491112345678", token = WHATSAPP_TOKEN) =>
      post(`${url}/whatsapp/${WHATSAPP_NUMBER}/messages`, {
        messaging_product: "whatsapp",
        to,
        type: "template",
        template,
      }, { authorization: `Bearer ${token}` });
    const language = { code: "es" };
    const components = [{ type: "body", parameters: [{ type: "text", text: "https://x.test/p" }] }];
    const template = { name: TEMPLATES.picture, language, components };
    assert.equal((await send(template)).status, 200);
    assert.deepEqual((await mailsTo(url, "+5491112345678"))[0].links, ["https://x.test/p"]);
    const codeOf = async (answer: ReturnType<typeof send>) => (await answer).body.error.code;
    assert.equal(await codeOf(send({ name: "unknown", language })), 132001);
    assert.equal(await codeOf(send({ name: TEMPLATES.picture, language })), 132000);
    assert.equal(await codeOf(send(template, "0001112345678")), 131026);
    assert.equal(await codeOf(send(template, "+54 9 11")), 100);
    assert.equal(await codeOf(send(template, "5491112345678", "wrong")), 190);
  }));

Deno.test("faults strike as often as said, before or after a message was taken", () =>
  withSimulators(async (url) => {
    const fault = (body: unknown) => post(`${url}/messages/_control`, body);
    const send = () =>
      post(`${url}/resend/emails`, mail, { authorization: `Bearer ${RESEND_KEY}` });
    await fault({ channel: "email", status: 500 });
    await fault({ channel: "email", status: 429, accepted: true });
    assert.equal((await send()).status, 500);
    assert.equal((await mailsTo(url, "ana@example.com")).length, 0);
    assert.equal((await send()).status, 429);
    assert.equal((await mailsTo(url, "ana@example.com")).length, 1);
    await fault({ channel: "email", status: 0 });
    await assert.rejects(send());
    assert.equal((await send()).status, 200);
    assert.equal((await fault({ channel: "pigeon", status: 500 })).status, 400);
  }));
