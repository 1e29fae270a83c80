import { AsyncLocalStorage } from "node:async_hooks";
import { App, type EmailDriver } from "@supabase/lite";
import { decodeJwt, SignJWT } from "jose";
import type postgres from "postgres";
import { createAdminUsers } from "./admin_users.ts";
import { type Authenticate, createKeyResolver } from "./authenticate.ts";
import type { StackConfig } from "./config.ts";
import type { StackKeys } from "./keys.ts";
import { openConnection } from "./lite.ts";
import { dbUrl } from "./postgres.ts";
import type { Service } from "./rest.ts";
import type { TomlValue } from "./toml.ts";

/**
 * Auth (`/auth/v1`) by @supabase/lite, connected as `supabase_auth_admin` like the hosted
 * service, so that a trigger on auth.users has the same rights here as there. Added to it: the
 * claims that hosted puts into access tokens, `/admin/users`, and mail that opens on this stack.
 * `settings` are those of `supabase/config.toml`.
 */
export async function createAuth(
  config: StackConfig,
  keys: StackKeys,
  settings: Map<string, TomlValue>,
  authenticate: Authenticate,
): Promise<Service> {
  const connection = await openConnection({ url: dbUrl(config, "supabase_auth_admin"), max: 5 });
  const resolveKey = createKeyResolver(keys);
  const sql = connection.driver;
  const redirects = new AsyncLocalStorage<string | null>();
  const auth = authSettings(settings);
  const app = new App({
    connection,
    auth: {
      ...auth,
      enabled: true,
      jwt_secret: keys.jwtSecret,
      site_url: config.appUrl,
      additional_redirect_urls: config.allowedOrigins.split(",").map((origin) => `${origin}/**`),
    },
    options: {
      server: {
        apiKeys: { resolver: (key) => Promise.resolve(resolveKey(key)) },
        disableStudio: true,
      },
      drivers: { email: createMailer(config, redirects) },
    },
  });
  const adminUsers = createAdminUsers(sql, Number(settings.get("auth.minimum_password_length")));
  const complete = createTokenCompleter(config, keys, sql);
  return {
    async handle(request) {
      const url = new URL(request.url);
      const id = /^\/auth\/v1\/admin\/users(?:\/([^/]+))?$/.exec(url.pathname);
      if (id) {
        const caller = await authenticate(request);
        if ("error" in caller) return caller.error;
        return await adminUsers(request, caller, id[1]);
      }
      const redirect = url.searchParams.get("redirect_to");
      const response = await redirects.run(redirect, () => app.fetch(request));
      return await complete(response, url.pathname);
    },
    close: () => connection.close(),
  };
}

/** The keys of `[auth]` and `[auth.email]`, nested again as lite takes them. */
function authSettings(settings: Map<string, TomlValue>) {
  const auth: Record<string, TomlValue> = {};
  const email: Record<string, TomlValue> = {};
  for (const [path, value] of settings) {
    const [table, first, second, deeper] = path.split(".");
    if (table !== "auth" || !first || deeper) continue;
    if (!second) auth[first] = value;
    // The CLI's newer name of this switch is unknown to lite, which refuses what it does not know.
    else if (first === "email") email[second === "enabled" ? "enable_signup" : second] = value;
  }
  return { ...auth, email };
}

/**
 * Hands mail to the simulators, where a person or a test reads it. lite builds links on the
 * front end's address and always returns there; the link must open here, and return to the
 * address that the client asked for (lite checks it against the allowed ones when it is opened).
 */
function createMailer(
  config: StackConfig,
  redirects: AsyncLocalStorage<string | null>,
): EmailDriver {
  const repair = (text: string | undefined) => {
    const redirect = redirects.getStore();
    const opened = text?.replaceAll(
      `${config.appUrl}/auth/v1/verify`,
      `${config.apiUrl}/auth/v1/verify`,
    );
    return redirect
      ? opened?.replaceAll(/redirect_to=[^"&\s<]*/g, `redirect_to=${encodeURIComponent(redirect)}`)
      : opened;
  };
  return {
    async send({ to, subject, text, html }) {
      const response = await fetch(`${config.simUrl}/mail`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ to, subject, text: repair(text), html: repair(html) }),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`The simulators refused a mail: ${response.status}`);
    },
  };
}

/** Replaces the access token in an answer of lite by one with hosted's claims. */
function createTokenCompleter(config: StackConfig, keys: StackKeys, sql: postgres.Sql) {
  const secret = new TextEncoder().encode(keys.jwtSecret);

  async function completeToken(token: string, method: string): Promise<string> {
    const claims = decodeJwt(token);
    const [user] = await sql`
      select phone, raw_app_meta_data, raw_user_meta_data, is_anonymous
      from auth.users where id = ${claims.sub ?? null}`;
    return new SignJWT({
      ...claims,
      iss: `${config.apiUrl}/auth/v1`,
      phone: user?.phone ?? "",
      app_metadata: user?.raw_app_meta_data ?? {},
      user_metadata: user?.raw_user_meta_data ?? {},
      aal: "aal1",
      amr: [{ method, timestamp: claims.iat }],
      is_anonymous: user?.is_anonymous ?? false,
    }).setProtectedHeader({ alg: "HS256", typ: "JWT", kid: "local" }).sign(secret);
  }

  return async (response: Response, path: string): Promise<Response> => {
    const method = path.endsWith("/verify") ? "otp" : "password";
    const target = response.headers.get("location");
    const [, base, fragment] = /^([^#]*)#(.*access_token=.*)$/.exec(target ?? "") ?? [];
    if (fragment) {
      const parameters = new URLSearchParams(fragment);
      const token = await completeToken(parameters.get("access_token") ?? "", method);
      parameters.set("access_token", token);
      const headers = new Headers(response.headers);
      headers.set("location", `${base}#${parameters}`);
      return new Response(null, { status: response.status, headers });
    }
    if (!/\/(token|signup|verify)$/.test(path) || !response.ok) return response;
    const body = await response.json();
    if (body.access_token) body.access_token = await completeToken(body.access_token, method);
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    return Response.json(body, { status: response.status, headers });
  };
}
