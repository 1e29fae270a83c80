import { join } from "node:path";
import { parseEnv } from "node:util";
import { RESEND_KEY, TEMPLATES, WHATSAPP_NUMBER, WHATSAPP_TOKEN } from "../simulators/messages.ts";
import type { StackConfig } from "./config.ts";
import { jwksOf, type StackKeys } from "./keys.ts";

/** Variables of the developer's shell that reach the functions. */
const FROM_SHELL = [
  "KIE_API_URL",
  "KIE_UPLOAD_URL",
  "KIE_WEBHOOK_KEY",
  "KIE_RESULT_HOSTS",
  "MP_API_URL",
  "MP_ACCESS_TOKEN",
  "MP_WEBHOOK_SECRET",
  "MP_LIVE",
  "CABINA_LOG_POLLS",
  "CABINA_CRASH_FILE",
  "RESEND_API_URL",
  "RESEND_API_KEY",
  "RESEND_FROM",
  "WHATSAPP_API_URL",
  "WHATSAPP_TOKEN",
  "WHATSAPP_PHONE_NUMBER_ID",
  "WHATSAPP_TEMPLATE",
  "WHATSAPP_FAILURE_TEMPLATE",
];

/**
 * The environment of every function: what the hosted platform injects, then the simulators as
 * provider, payment gateway and senders of messages. The developer's own values win over the simulators': those in
 * `supabase/functions/.env`, and over them those of the shell.
 */
export async function functionEnvironment(
  config: StackConfig,
  keys: StackKeys,
  folder: string,
  temp: string,
): Promise<Record<string, string>> {
  const file = await Deno.readTextFile(join(folder, ".env")).catch(() => "");
  const shell = FROM_SHELL.flatMap((name) => config.env[name] ? [[name, config.env[name]]] : []);
  return {
    ...simulatorEnvironment(config, keys),
    CABINA_CLIENT_IP_HEADER: CLIENT_IP_HEADER,
    ...parseEnv(file),
    ...Object.fromEntries(shell),
    CABINA_PUBLIC_URL: config.publicUrl,
    CABINA_APP_URL: config.appUrl,
    CABINA_ALLOWED_ORIGINS: config.allowedOrigins,
    SUPABASE_URL: config.apiUrl,
    SUPABASE_ANON_KEY: keys.anonJwt,
    SUPABASE_SERVICE_ROLE_KEY: keys.serviceRoleJwt,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: keys.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secretKey }),
    SUPABASE_JWKS: jwksOf(keys.jwtSecret),
    DENO_DIR: join(config.dataDir, "deno"), // compiled code
    TMPDIR: temp,
  };
}

/** Header in which the gateway tells a function the client's address. */
export const CLIENT_IP_HEADER = "x-cabina-client-ip";

/** Where the simulators are, and the secrets that they and the functions share. */
export function simulatorEnvironment(
  { simUrl, simPort }: StackConfig,
  keys: StackKeys,
): Record<string, string> {
  return {
    KIE_API_URL: `${simUrl}/kie`,
    KIE_UPLOAD_URL: `${simUrl}/kie-upload`,
    KIE_RESULT_HOSTS: `127.0.0.1:${simPort}`,
    KIE_WEBHOOK_KEY: keys.kieWebhookKey,
    MP_API_URL: `${simUrl}/mercadopago`,
    MP_ACCESS_TOKEN: keys.mpAccessToken,
    MP_WEBHOOK_SECRET: keys.mpWebhookSecret,
    MP_LIVE: "false",
    RESEND_API_URL: `${simUrl}/resend`,
    RESEND_API_KEY: RESEND_KEY,
    RESEND_FROM: "Cabina <fotos@cabina.test>",
    WHATSAPP_API_URL: `${simUrl}/whatsapp`,
    WHATSAPP_TOKEN,
    WHATSAPP_PHONE_NUMBER_ID: WHATSAPP_NUMBER,
    WHATSAPP_TEMPLATE: TEMPLATES.picture,
    WHATSAPP_FAILURE_TEMPLATE: TEMPLATES.failure,
  };
}
