import { App } from "@supabase/lite";
import type { PostgresConnection } from "@supabase/lite/postgres";
import { type Authenticate, createKeyResolver } from "./authenticate.ts";
import type { StackConfig } from "./config.ts";
import type { StackKeys } from "./keys.ts";
import { connect } from "./connect.ts";
import { openConnection } from "./lite.ts";
import { dbUrl } from "./postgres.ts";
import { createRpc, isPlainCall } from "./rpc.ts";

/** A service behind the gateway. */
export interface Service {
  handle: (request: Request) => Promise<Response>;
  close: () => Promise<void>;
}

/**
 * The Data API (`/rest/v1`), connected as `authenticator` like PostgREST: tables and views by
 * @supabase/lite, plain calls of functions by rpc.ts. It notices schema changes by the
 * notification that bootstrap.sql's event triggers send.
 */
export async function createRest(
  config: StackConfig,
  keys: StackKeys,
  authenticate: Authenticate,
): Promise<Service> {
  const connection = await openConnection({
    url: dbUrl(config, "authenticator"),
    max: 10,
    introspectUrl: dbUrl(config, "supabase_admin"),
  });
  const catalog = await connect(config, "supabase_admin", {
    connection: { search_path: "" }, // so that format_type qualifies every name
  });
  const rpc = createRpc(connection.driver, catalog);
  await catalog.listen("pgrst", async () => {
    rpc.forget();
    await connection.clearSchemaCache();
  });
  const app = createApp(keys, connection);
  return {
    async handle(request) {
      if (isGuessedCount(request)) return refuseGuessedCount();
      const name = /^\/rest\/v1\/rpc\/(\w+)$/.exec(new URL(request.url).pathname)?.[1];
      if (!name || !isPlainCall(request)) return await app.fetch(request);
      const caller = await authenticate(request);
      if ("error" in caller) return caller.error;
      const body = await request.text();
      return await rpc.call(request, name, body, caller) ??
        await app.fetch(
          new Request(request.url, { method: "POST", headers: request.headers, body }),
        );
    },
    close: async () => {
      await Promise.all([connection.close(), catalog.end({ timeout: 1 })]);
    },
  };
}

/** What private.check_request, PostgREST's db-pre-request, refuses: lite has no such hook. */
function isGuessedCount(request: Request): boolean {
  return /count *= *(planned|estimated)/i.test(request.headers.get("prefer") ?? "");
}

function refuseGuessedCount(): Response {
  return Response.json({
    code: "PT400",
    message: "Rows are counted exactly or not at all",
    details: '{"code": "INVALID_INPUT", "field": "prefer"}',
    hint: "Use count=exact",
  }, { status: 400 });
}

function createApp(keys: StackKeys, connection: PostgresConnection): App {
  const resolveKey = createKeyResolver(keys);
  return new App({
    connection,
    api: { schemas: ["public"], max_rows: 1000 },
    // Auth is served by another App; the secret alone is needed here, to verify tokens.
    auth: { enabled: false, jwt_secret: keys.jwtSecret },
    options: {
      server: {
        apiKeys: { resolver: (key) => Promise.resolve(resolveKey(key)) },
        disableStudio: true,
        middlewares: [async (context, next) => {
          // lite looks the user and the session up on every request; a signature is enough, as
          // for PostgREST, which does not know them either.
          const found = (id: string) => Promise.resolve({ id });
          const repo = { findUserById: found, findSessionById: found };
          context.set("authService", { repo } as never);
          await next();
        }],
      },
    },
  });
}
