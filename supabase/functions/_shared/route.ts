import { etag } from "hono/etag";
import { z, type ZodType } from "zod";
import { authenticate, type Caller, requireService, requireUser } from "./auth.ts";
import { ApiError, type ErrorCode } from "./errors.ts";
import { type App, type AppContext, parse, readJson, refuseUnstorable } from "./http.ts";
import { timed } from "./log.ts";

/** Which credential a route asks for, and what its handler gets to know of the caller. */
interface Credentials {
  /** Nothing is looked at. */
  anyone: null;
  /** Keys and tokens that are present are verified; who acts is the handler's matter. */
  caller: Caller;
  /** Anybody; staff and hosts may be shown more. */
  visitor: HostCredential;
  /** A person with an account: their id. What they may do, the database decides. */
  account: string;
  /** The token of a PIN session, or a person with an account. The database decides here too. */
  host: HostCredential;
  /** As `host`, or `?ticket=` in the address, for downloads by a link. */
  download: DownloadCredential;
  /** One of our own services, by the secret key. */
  service: null;
}

/** How a host says who they are: one of the two is set, for a visitor maybe none. */
export interface HostCredential {
  userId: string | null;
  token: string | null;
}

/** How somebody says that a download is theirs. A ticket counts before what else is there. */
export interface DownloadCredential extends HostCredential {
  ticket: string | null;
}

type Output<S> = S extends ZodType ? z.output<S> : undefined;

/** What a handler gets: everything is verified and valid by then. */
export interface RouteInput<W extends keyof Credentials, P, Q, B> {
  c: AppContext;
  actor: Credentials[W];
  params: Output<P>;
  query: Output<Q>;
  body: Output<B>;
}

/**
 * One route: its contract and its handler. The contract validates what comes in, filters what goes
 * out, and is what the OpenAPI document is generated from.
 */
export interface Route<
  W extends keyof Credentials = keyof Credentials,
  P extends ZodType | undefined = ZodType | undefined,
  Q extends ZodType | undefined = ZodType | undefined,
  B extends ZodType | undefined = ZodType | undefined,
  A extends ZodType | undefined = ZodType | undefined,
> {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** Below the function's own path, `:name` for parameters: `/events/:id`. */
  path: string;
  credential: W;
  /** One sentence: what it does. */
  summary: string;
  /** What a caller must know besides: guarantees, units, who may. */
  description?: string;
  params?: P;
  /** The code for parameters that can be nobody's, where INVALID_INPUT would say that they matter. */
  invalidParams?: ErrorCode;
  /** Unknown parameters are refused: a strict object. */
  query?: Q;
  /** The JSON body, a strict object. */
  body?: B;
  /** Largest body in bytes; 64 KiB unless told. */
  maxBodyBytes?: number;
  /** The answer without `success`. What it does not name never leaves; absent when `produces` is set. */
  answer?: A;
  /** Status of success; 200 unless told. With more than one, `c.status()` chooses another than the first. */
  status?: (200 | 201 | 202)[];
  /** Media types of an answer that is not JSON. */
  produces?: string[];
  /** The codes of refusals besides those that every route may give (INVALID_INPUT for what it reads, INTERNAL ...). */
  errors: ErrorCode[];
  /** What its own failures carry besides the envelope. */
  failure?: ZodType;
  /** How long anybody may keep the answer; it gets an ETag then. Only for what is the same for everybody. */
  cacheSeconds?: number;
  handle: (
    input: RouteInput<W, P, Q, B>,
  ) => Promise<Response | (A extends ZodType ? z.input<A> : never)>;
}

/** Ties the types of a route together; changes nothing. */
export function route<
  W extends keyof Credentials,
  P extends ZodType | undefined = undefined,
  Q extends ZodType | undefined = undefined,
  B extends ZodType | undefined = undefined,
  A extends ZodType | undefined = undefined,
>(definition: Route<W, P, Q, B, A>): Route<W, P, Q, B, A> {
  return definition;
}

/** A route of whatever types, for lists of them. */
// deno-lint-ignore no-explicit-any -- handlers are contravariant: no other type holds them all
export type AnyRoute = Route<any, any, any, any, any>;

const MAX_BODY_BYTES = 64 * 1024;

/** Serves routes: credential first, then input, then the handler, then the answer's filter. */
export function mount(app: App, routes: AnyRoute[]): void {
  for (const definition of routes) {
    const method = definition.method.toUpperCase();
    if (definition.cacheSeconds !== undefined) app.on(method, definition.path, etag());
    app.on(method, definition.path, (c: AppContext) => serve(definition, c));
  }
}

/** Every code that a route may answer with: its own, and those of what it reads and asks for. */
export function refusalsOf({ credential, body, errors }: AnyRoute): ErrorCode[] {
  return [
    ...new Set<ErrorCode>([
      "INVALID_INPUT",
      ...(credential === "anyone" ? [] : ["UNAUTHENTICATED"] as const),
      ...(credential === "service" ? ["FORBIDDEN"] as const : []),
      ...errors,
      ...(body ? ["PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"] as const : []),
      "INTERNAL",
      "UNAVAILABLE",
    ]),
  ];
}

async function serve(definition: AnyRoute, c: AppContext): Promise<Response> {
  // A body arrives while the credential is looked at; what is wrong with it is said after that.
  const reading = definition.body && readJson(c.req.raw, definition.maxBodyBytes ?? MAX_BODY_BYTES);
  reading?.catch(() => {});
  const actor = await timed("auth", identify(definition.credential, c.req.raw));
  const params = definition.params && readParams(definition, c.req.param());
  for (const [name, value] of Object.entries(c.req.query())) refuseUnstorable(name, value);
  const query = parse(definition.query ?? NOTHING, c.req.query());
  const body = definition.body && parse(definition.body, await reading);
  c.status(definition.status?.[0] ?? 200);
  const result = await definition.handle({ c, actor, params, query, body });
  const response = result instanceof Response
    ? result
    : c.json({ success: true, ...definition.answer.parse(result) });
  if (definition.cacheSeconds !== undefined) {
    response.headers.set("cache-control", `public, max-age=${definition.cacheSeconds}`);
  }
  return response;
}

const NOTHING = z.strictObject({});

function readParams({ params, invalidParams }: AnyRoute, values: Record<string, string>) {
  if (invalidParams === undefined) return parse(params, values);
  const { success, data } = params.safeParse(values);
  if (!success) throw new ApiError(invalidParams);
  return data;
}

async function identify(credential: keyof Credentials, request: Request) {
  switch (credential) {
    case "anyone":
      return null;
    case "caller":
      return await authenticate(request);
    case "visitor":
      return await identifyVisitor(request);
    case "account":
      return await requireUser(request);
    case "host":
      return await identifyHost(request);
    case "download":
      return await identifyDownload(request);
    case "service":
      return await requireService(request);
  }
}

/** What is present must be good: a bad account is refused even beside a good token. */
async function identifyVisitor(request: Request): Promise<HostCredential> {
  const token = checkToken(request.headers.get("x-host-token"));
  const hasAccount = ["authorization", "apikey"].some((name) => request.headers.has(name));
  const userId = hasAccount ? (await authenticate(request)).userId : null;
  return token === null ? { userId, token } : { userId: null, token };
}

async function identifyHost(request: Request): Promise<HostCredential> {
  const host = await identifyVisitor(request);
  if (host.userId === null && host.token === null) throw new ApiError("UNAUTHENTICATED");
  return host;
}

async function identifyDownload(request: Request): Promise<DownloadCredential> {
  const ticket = checkToken(new URL(request.url).searchParams.get("ticket"));
  const host = ticket === null ? await identifyHost(request) : await identifyVisitor(request);
  return { ...host, ticket };
}

/** Tokens and tickets of hosts are 32 bytes in hexadecimal. @throws {ApiError} UNAUTHENTICATED */
function checkToken(token: string | null): string | null {
  if (token !== null && !/^[0-9a-f]{64}$/.test(token)) throw new ApiError("UNAUTHENTICATED");
  return token;
}
