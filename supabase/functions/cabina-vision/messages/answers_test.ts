import assert from "node:assert/strict";
import type { Channel, Delivery } from "./channel.ts";
import { createEmail } from "./email.ts";
import { createWhatsapp } from "./whatsapp.ts";

const channels: Record<Channel["name"], (apiUrl: string) => Channel> = {
  email: (apiUrl) => createEmail({ apiUrl, apiKey: "key", from: "Cabina <fotos@cabina.test>" }),
  whatsapp: (apiUrl) =>
    createWhatsapp({
      apiUrl,
      token: "token",
      phoneNumberId: "1",
      template: "picture",
      failureTemplate: "failure",
    }),
};

const resend = (status: number, name: string, message = "Simulated") => () =>
  Response.json({ statusCode: status, name, message }, { status });
const meta = (status: number, code: number) => () =>
  Response.json({ error: { code, message: "Simulated" } }, { status });

const answers: [
  Channel["name"],
  string,
  () => Response,
  Delivery["outcome"],
][] = [
  ["email", "success", () => Response.json({ id: "1" }), "sent"],
  [
    "email",
    "a bad recipient",
    resend(422, "validation_error", "Invalid `to` field."),
    "refused",
  ],
  [
    "email",
    "a bad sender",
    resend(422, "validation_error", "Invalid `from` field."),
    "misconfigured",
  ],
  [
    "email",
    "a sender that is not ours",
    resend(422, "invalid_from_address"),
    "misconfigured",
  ],
  ["email", "no key", resend(401, "missing_api_key"), "misconfigured"],
  ["email", "a wrong key", resend(403, "invalid_api_key"), "misconfigured"],
  [
    "email",
    "a wrong address of the API",
    resend(404, "not_found"),
    "misconfigured",
  ],
  [
    "email",
    "the month is used up",
    resend(429, "monthly_quota_exceeded"),
    "misconfigured",
  ],
  ["email", "too fast", resend(429, "rate_limit_exceeded"), "retry"],
  [
    "email",
    "on its way",
    resend(409, "concurrent_idempotent_requests"),
    "retry",
  ],
  [
    "email",
    "an earlier try got through",
    resend(409, "invalid_idempotent_request"),
    "sent",
  ],
  [
    "email",
    "a fault of theirs",
    () => new Response("<html>", { status: 502 }),
    "retry",
  ],
  [
    "whatsapp",
    "success",
    () => Response.json({ messages: [{ id: "wamid.1" }] }),
    "sent",
  ],
  ["whatsapp", "not on WhatsApp", meta(400, 131026), "refused"],
  ["whatsapp", "wants none", meta(400, 131050), "refused"],
  ["whatsapp", "too fast", meta(400, 130429), "retry"],
  [
    "whatsapp",
    "too fast without a code",
    () => new Response("", { status: 429 }),
    "retry",
  ],
  [
    "whatsapp",
    "a fault of theirs",
    () => new Response("", { status: 500 }),
    "retry",
  ],
  ["whatsapp", "a permission that is missing", meta(500, 3), "misconfigured"],
  ["whatsapp", "a token that has expired", meta(401, 190), "misconfigured"],
  ["whatsapp", "no such template", meta(404, 132001), "misconfigured"],
];

for (const [name, answer, respond, expected] of answers) {
  Deno.test(`${name}: ${answer} is ${expected}`, async () => {
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      respond,
    );
    try {
      const channel = channels[name](`http://127.0.0.1:${server.addr.port}`);
      const recipient = name === "email" ? "ana@example.com" : "+5491100000000";
      const delivery = await channel.send({
        key: "key",
        recipient,
        language: "es",
        imageUrl: null,
      });
      assert.equal(delivery.outcome, expected, JSON.stringify(delivery));
    } finally {
      await server.shutdown();
    }
  });
}
