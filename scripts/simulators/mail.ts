import { Hono } from "hono";
import { z } from "zod";

/** A mail that would have been sent. */
export interface Mail {
  id: string;
  to: string;
  subject: string;
  text: string;
  html: string;
  /** Every http(s) address in the mail, in order, each once. */
  links: string[];
  /** The first number of exactly six digits outside a link, which is how codes are sent. */
  code: string | null;
  at: string;
}

const LIMIT = 500;

const Incoming = z.strictObject({
  to: z.string().min(1),
  subject: z.string().default(""),
  text: z.string().default(""),
  html: z.string().default(""),
}).refine((mail) => mail.text !== "" || mail.html !== "", "A mail needs text or html");

/**
 * The inbox of the local stack: POST stores a mail, GET lists the newest first, as JSON or as a page for a browser.
 *
 * `?to=` keeps the mails of one address. Only the newest 500 stay, in memory.
 */
export function createMailbox(now: () => Date = () => new Date()): Hono {
  const mails: Mail[] = [];
  const app = new Hono();

  app.post("/", async (c) => {
    const parsed = Incoming.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) {
      return c.json({ error: `Cannot store the mail: ${z.prettifyError(parsed.error)}` }, 400);
    }
    const mail: Mail = {
      id: crypto.randomUUID(),
      ...parsed.data,
      ...findLinksAndCode(parsed.data.text, parsed.data.html),
      at: now().toISOString(),
    };
    mails.unshift(mail);
    mails.length = Math.min(mails.length, LIMIT);
    return c.json({ id: mail.id }, 201);
  });

  app.get("/", (c) => {
    const to = c.req.query("to")?.toLowerCase();
    const shown = to === undefined ? mails : mails.filter((mail) => mail.to.toLowerCase() === to);
    const wantsPage = (c.req.header("accept") ?? "").includes("text/html");
    return wantsPage ? c.html(page(shown)) : c.json({ mails: shown });
  });
  return app;
}

/** The addresses and the six-digit code of a mail, looked for in its text and its HTML. */
export function findLinksAndCode(text: string, html: string): Pick<Mail, "links" | "code"> {
  const hrefs = [...html.matchAll(/href\s*=\s*["'](https?:[^"']+)["']/gi)].map((match) =>
    match[1] ?? ""
  );
  const written = [...text.matchAll(/https?:\/\/[^\s<>"')\]]+/gi)].map((match) => match[0]);
  const links = [...new Set([...written, ...hrefs.map((href) => href.replaceAll("&amp;", "&"))])];
  const words = `${text}\n${
    html.replace(/<(style|script)[\s\S]*?<\/\1>/gi, "").replace(/<[^>]*>/g, " ")
  }`;
  const code = /(?<![\d#])\d{6}(?!\d)/.exec(words.replace(/https?:\/\/\S+/gi, " "));
  return { links, code: code?.[0] ?? null };
}

// The HTML of a mail is shown as text: a mail is data here, never a page that may run.
function page(mails: readonly Mail[]): string {
  const items = mails.map((mail) => `
    <article>
      <h2>${escape(mail.subject)}</h2>
      <p class="meta">to <b>${escape(mail.to)}</b> · ${escape(mail.at)}</p>
      ${mail.code === null ? "" : `<p class="code">${mail.code}</p>`}
      <pre>${escape(mail.text || plain(mail.html))}</pre>
      <ul>${
    mail.links.map((link) => `<li><a href="${escape(link)}">${escape(link)}</a></li>`).join("")
  }</ul>
    </article>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Cabina mail</title>
    <style>
      body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
      article { border: 1px solid #ddd; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
      h2 { margin: 0; font-size: 1.1rem } .meta { color: #666; margin: 0 }
      .code { font: bold 1.6rem ui-monospace, monospace; letter-spacing: .2em }
      pre { white-space: pre-wrap; overflow-wrap: anywhere } a { overflow-wrap: anywhere }
    </style>
    <h1>Mail</h1>
    <p>Mails that Cabina would have sent, newest first.</p>
    ${items.join("") || "<p>None yet.</p>"}</html>`;
}

function plain(html: string): string {
  return html.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
}

function escape(text: string): string {
  const names: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? character);
}
