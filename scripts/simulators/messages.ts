import { Hono } from "hono";
import { z } from "zod";
import type { Connection } from "./serve.ts";

/** What the functions of the local stack send with; anything else is refused. */
export const RESEND_KEY = "sim-resend";
export const WHATSAPP_TOKEN = "sim-whatsapp";
export const WHATSAPP_NUMBER = "100000000000001";
export const TEMPLATES = { picture: "foto_lista", failure: "foto_fallida" };

const Channel = z.enum(["email", "whatsapp"]);

/** The next N requests of a channel go wrong: with a status, or a cut connection, before or after the message was taken. */
const Change = z.strictObject({
  channel: Channel,
  next: z.int().min(1).default(1),
  // 0: the connection is cut.
  status: z.union([z.literal(0), z.int().min(400).max(599)]),
  // Meta's code, or the name of Resend's error.
  code: z.union([z.number(), z.string()]).optional(),
  accepted: z.boolean().default(false),
});
type Fault = z.infer<typeof Change>;

const Email = z.strictObject({
  from: z.string().min(3),
  to: z.array(z.string().min(3)).length(1),
  subject: z.string().min(1),
  html: z.string(),
  text: z.string(),
});

const Template = z.strictObject({
  messaging_product: z.literal("whatsapp"),
  to: z.string().regex(/^\d{7,15}$/),
  type: z.literal("template"),
  template: z.strictObject({
    name: z.string(),
    language: z.strictObject({ code: z.enum(["es", "en", "pt_BR"]) }),
    components: z.array(z.strictObject({
      type: z.literal("body"),
      parameters: z.array(z.strictObject({ type: z.literal("text"), text: z.string() })),
    })).optional(),
  }),
});

/**
 * The providers of messages: an HTTP API for e-mail as Resend's, and the WhatsApp Cloud API. What they take is in
 * the mailbox, by address or phone number.
 */
export function createMessageSimulators(mailbox: Hono) {
  const faults: Fault[] = [];
  /** Answers to idempotency keys. */
  const answered = new Map<string, { request: string; id: string }>();

  function strike(channel: Fault["channel"]): Fault | undefined {
    const fault = faults.find((each) => each.channel === channel && each.next > 0);
    if (fault !== undefined) fault.next--;
    return fault;
  }

  async function store(to: string, subject: string, text: string, html = ""): Promise<string> {
    const response = await mailbox.request("/", {
      method: "POST",
      body: JSON.stringify({ to, subject, text, html }),
    });
    return (await response.json()).id;
  }

  const resend = new Hono<{ Bindings: Connection }>();
  resend.post("/emails", async (c) => {
    const refuse = (status: number, name: string) =>
      c.json({ statusCode: status, name, message: `Simulated: ${name}` }, status as 400);
    if (c.req.header("authorization") !== `Bearer ${RESEND_KEY}`) {
      return refuse(401, "missing_api_key");
    }
    const fault = strike("email");
    const isTaken = fault === undefined || fault.accepted;
    const request = await c.req.text();
    const mail = Email.safeParse(JSON.parse(request));
    if (!mail.success || !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(mail.data.to[0]!)) {
      return refuse(422, "validation_error");
    }
    const key = c.req.header("idempotency-key") ?? crypto.randomUUID();
    const earlier = answered.get(key);
    if (earlier !== undefined && earlier.request !== request) {
      return refuse(409, "invalid_idempotent_request");
    }
    if (earlier === undefined && isTaken) {
      const { to, subject, text, html } = mail.data;
      answered.set(key, { request, id: await store(to[0]!, subject, text, html) });
    }
    if (fault?.status === 0) c.env.drop();
    if (fault !== undefined) {
      return refuse(fault.status || 502, String(fault.code ?? "application_error"));
    }
    return c.json({ id: answered.get(key)!.id });
  });

  const whatsapp = new Hono<{ Bindings: Connection }>();
  whatsapp.post("/:number/messages", async (c) => {
    const refuse = (status: number, code: number) =>
      c.json(
        { error: { message: `(#${code}) Simulated`, type: "OAuthException", code } },
        status as 400,
      );
    if (c.req.header("authorization") !== `Bearer ${WHATSAPP_TOKEN}`) return refuse(401, 190);
    if (c.req.param("number") !== WHATSAPP_NUMBER) return refuse(400, 33);
    const fault = strike("whatsapp");
    const message = Template.safeParse(await c.req.json().catch(() => undefined));
    if (!message.success) return refuse(400, 100);
    const { to, template } = message.data;
    const parameters = template.components?.[0]?.parameters.map(({ text }) => text) ?? [];
    const expected = { [TEMPLATES.picture]: 1, [TEMPLATES.failure]: 0 }[template.name];
    if (expected === undefined) return refuse(404, 132001);
    if (parameters.length !== expected) return refuse(400, 132000);
    if (to.startsWith("000")) return refuse(400, 131026);
    let id: string | undefined;
    if (fault === undefined || fault.accepted) {
      const subject = `WhatsApp: ${template.name} (${template.language.code})`;
      id = await store(`+${to}`, subject, parameters.join("\n") || template.name);
    }
    if (fault?.status === 0) c.env.drop();
    if (fault !== undefined) return refuse(fault.status || 502, Number(fault.code ?? 1));
    return c.json({ messaging_product: "whatsapp", messages: [{ id: `wamid.${id}` }] });
  });

  const control = new Hono();
  control.get("/_control", (c) => c.json({ faults }));
  control.post("/_control", async (c) => {
    const parsed = Change.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) {
      return c.json(
        { error: `Cannot change the simulator: ${z.prettifyError(parsed.error)}` },
        400,
      );
    }
    faults.push(parsed.data);
    return c.json({ faults });
  });
  control.delete("/_control", (c) => {
    faults.length = 0;
    return c.json({ faults });
  });
  return { resend, whatsapp, control };
}
