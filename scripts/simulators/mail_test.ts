import assert from "node:assert/strict";
import { startSimulators } from "./app.ts";
import { createMailbox, findLinksAndCode } from "./mail.ts";

const mail = {
  to: "ana@example.com",
  subject: "Confirm <b>now</b>",
  text: "Your code is 482913. Or open http://127.0.0.1:1/verify?token=123456&type=signup",
  html: '<a href="http://127.0.0.1:1/verify?token=123456&amp;type=signup">open</a> <i>482913</i>',
};

Deno.test("findLinksAndCode() finds each link once and the code outside of links", () => {
  assert.deepEqual(findLinksAndCode(mail.text, mail.html), {
    links: ["http://127.0.0.1:1/verify?token=123456&type=signup"],
    code: "482913",
  });
  assert.deepEqual(findLinksAndCode("Order 12345678 is paid", ""), { links: [], code: null });
});

Deno.test("createMailbox() stores mails and lists the newest first, also by address", async () => {
  const folder = await Deno.makeTempDir();
  const { url, close } = await startSimulators({ port: 0, folder });
  try {
    for (const to of ["ana@example.com", "bob@example.com"]) {
      const response = await send(url, { ...mail, to });
      assert.equal(response.status, 201);
    }
    const { mails } = await (await fetch(`${url}/mail`)).json();
    assert.deepEqual(mails.map((each: { to: string }) => each.to), [
      "bob@example.com",
      "ana@example.com",
    ]);
    assert.equal(mails[0].code, "482913");
    const filtered = await (await fetch(`${url}/mail?to=ANA@example.com`)).json();
    assert.equal(filtered.mails.length, 1);
    const page = await fetch(`${url}/mail`, { headers: { accept: "text/html" } });
    const html = await page.text();
    assert.match(html, /482913/);
    assert.ok(html.includes("Confirm &lt;b&gt;now"), "the subject is escaped");
    assert.match(await (await fetch(url)).text(), /\/mail/);
  } finally {
    await close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("createMailbox() keeps the newest 500 and refuses what is no mail", async () => {
  const mailbox = createMailbox();
  const post = (body: unknown) =>
    mailbox.request("/", { method: "POST", body: JSON.stringify(body) });
  for (let index = 0; index < 503; index += 1) await post({ ...mail, subject: String(index) });
  const { mails } = await (await mailbox.request("/")).json();
  assert.equal(mails.length, 500);
  assert.deepEqual([mails[0].subject, mails[499].subject], ["502", "3"]);
  for (const wrong of [{ ...mail, to: "" }, { to: "a@b.c" }, { ...mail, bcc: "x" }, "text"]) {
    const response = await post(wrong);
    assert.equal(response.status, 400);
    assert.match((await response.json()).error, /Cannot store the mail/);
  }
});

function send(url: string, body: unknown): Promise<Response> {
  return fetch(`${url}/mail`, { method: "POST", body: JSON.stringify(body) });
}
