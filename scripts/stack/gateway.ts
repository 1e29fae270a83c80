import { bearer, verifyToken } from "./authenticate.ts";
import type { StackConfig } from "./config.ts";
import { CLIENT_IP_HEADER } from "./environment.ts";
import type { Functions } from "./functions.ts";
import type { TomlValue } from "./toml.ts";

/** A service by the path segment before `/v1`. */
export type Services = Record<"auth" | "rest" | "storage", (request: Request) => Promise<Response>>;

/** What the gateway needs of the stack. */
export interface GatewayOptions {
  config: StackConfig;
  jwtSecret: string;
  /** Settings of `supabase/config.toml`: which functions want a user's token. */
  settings: Map<string, TomlValue>;
  services: Services;
  functions: Functions;
}

/**
 * The one door of the stack, as the hosted API gateway: routes by path, answers preflights of
 * auth, Data API and storage, and tells functions the client's address. Functions see their
 * requests, and clients their answers, unchanged and as streams. Throws when the port is taken.
 */
export function serveGateway(options: GatewayOptions): Deno.HttpServer {
  const { config } = options;
  return Deno.serve({
    hostname: "127.0.0.1",
    port: config.apiPort,
    onListen: () => {},
    onError: (error) => {
      console.error("gateway:", error);
      return Response.json({ message: "The local stack failed, see its log" }, { status: 500 });
    },
  }, async (request, info) => {
    const [, service, name] = /^\/(\w+)\/v1(?:\/([^/?#]*))?/.exec(new URL(request.url).pathname) ??
      [];
    if (service === "functions") {
      return await callFunction(options, request, name ?? "", info.remoteAddr.hostname);
    }
    if (new URL(request.url).pathname === "/") return placeOfTheApp(config);
    const handle = service && Object.hasOwn(options.services, service) &&
      options.services[service as keyof Services];
    if (!handle) return Response.json({ message: "no Route matched with those values" }, NOT_FOUND);
    if (request.method === "OPTIONS") return preflight(request);
    return readable(await handle(request));
  });
}

const NOT_FOUND = { status: 404 };

/** Where people are sent who come back from the payment gateway or a mail, as long as there is no front end. */
function placeOfTheApp({ appUrl }: StackConfig): Response {
  return new Response(
    `This is the local stack of Cabina. Your front end would be here: set CABINA_APP_URL (now ${appUrl}).\n`,
    { headers: { "content-type": "text/plain; charset=utf-8" } },
  );
}

async function callFunction(
  { config, jwtSecret, settings, functions }: GatewayOptions,
  request: Request,
  name: string,
  address: string,
): Promise<Response> {
  if (settings.get(`functions.${name}.verify_jwt`) !== false && request.method !== "OPTIONS") {
    const token = bearer(request) ?? "";
    const claims = await verifyToken(token, new TextEncoder().encode(jwtSecret));
    if (claims instanceof Response) return readable(claims);
  }
  // A client must not choose the address that it is counted under.
  const headers = new Headers(request.headers);
  if (!config.trustTestIp || !headers.has(CLIENT_IP_HEADER)) headers.set(CLIENT_IP_HEADER, address);
  return await functions.handle(name, request, headers) ??
    readable(Response.json({ code: "NOT_FOUND", message: "Requested function was not found" }, {
      status: 404,
    }));
}

function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "*",
      "access-control-max-age": "3600",
    },
  });
}

/** Lets a page of any origin read the answer; API keys, not cookies, carry the rights. */
function readable(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", "*");
  headers.set("access-control-expose-headers", "*");
  return new Response(response.body, { status: response.status, headers });
}
