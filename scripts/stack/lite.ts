// @supabase/lite 0.10.0 serves the Data API and auth. What it does differently from the hosted
// services is repaired here, by replacing methods that its types call private: the contract tests
// fail loudly should an upgrade change them. Each repair names the reason it exists.
import { PostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";
import { learnArrayTypes } from "./connect.ts";
import { bodyOf, statusOf } from "./database_errors.ts";

/** The methods of a lite connection that are replaced. */
interface Internals {
  introspect(options?: { useCache?: boolean }): ReturnType<PostgresConnection["introspect"]>;
  clearSchemaCache(): Promise<void>;
  ensureRlsContext(): Promise<boolean>;
  applyJwtSessionContext(db: Executor, context: Context): Promise<void>;
  applyRpcRequestGucs(db: Executor, request: RpcRequest): Promise<void>;
  normalizeDbError(error: unknown): unknown;
}

/** The part of Kysely that runs a statement which is already compiled. */
interface Executor {
  executeQuery(query: unknown): Promise<unknown>;
}

/** What lite knows of the caller when it opens a transaction. */
interface Context {
  auth?: { role?: string; uid?: string | number | null; jwt?: Record<string, unknown> };
}

interface RpcRequest {
  method: string;
  path: string;
  requestHeaders?: Record<string, string>;
}

/** How a lite connection reaches the database. */
export interface ConnectionOptions {
  url: string;
  /** Pool size: the JavaScript thread is the bottleneck, more connections gain nothing. */
  max: number;
  /** A superuser's address: the catalog hides what the serving role has no grant on. */
  introspectUrl?: string;
}

/** Opens a repaired connection of @supabase/lite; `close()` ends its pools. */
export async function openConnection(options: ConnectionOptions): Promise<PostgresConnection> {
  const connection = new PostgresConnection({
    url: options.url,
    postgresOptions: { max: options.max, types: TYPES, onnotice: () => {} },
  });
  const internals = connection as unknown as Internals;

  // lite grants everything on every table to the API roles on its first request.
  internals.ensureRlsContext = () => Promise.resolve(true);

  // lite takes five round trips, and sets no request.jwt.claims for anon.
  internals.applyJwtSessionContext = (db, { auth = {} }) => {
    const role = auth.role || "anon";
    return setConfig(db, {
      role,
      search_path: "public, extensions",
      "request.jwt.claims": JSON.stringify({ role, ...auth.jwt }),
      "request.jwt.claim.sub": String(auth.uid ?? ""),
      "request.jwt.claim.role": role,
    });
  };
  internals.applyRpcRequestGucs = (db, request) =>
    setConfig(db, {
      "request.method": request.method,
      "request.path": request.path,
      "request.headers": JSON.stringify(request.requestHeaders ?? {}),
    });

  // lite answers 500 to most errors; its code "PGRST" lets one choose body and status.
  internals.normalizeDbError = (error) => {
    if (!(error instanceof postgres.PostgresError)) return error;
    const shown = LITE_KNOWS.test(error.code)
      ? Object.assign(new Error(error.message), { ...bodyOf(error), detail: error.detail })
      : Object.assign(new Error(JSON.stringify(bodyOf(error))), {
        code: "PGRST",
        detail: JSON.stringify({ status: statusOf(error.code, "authenticated"), headers: {} }),
      });
    // lite prints every error with its stack trace, expected refusals included.
    return Object.assign(shown, {
      [Symbol.for("Deno.customInspect")]: () => `rest: ${error.code} ${error.message}`,
    });
  };

  if (options.introspectUrl) await useIntrospector(internals, options.introspectUrl, connection);
  await learnArrayTypes(connection.driver);
  return connection;
}

/** Errors for which lite's own answer is PostgREST's. */
const LITE_KNOWS = /^(PGRST|PT|42|22|21|25006|23502|23503|23505)/;

/** Text formats in which PostgREST differs from what lite reads or writes. */
const TYPES = {
  timestamptz: type(1184, (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00")),
  timestamp: type(1114, (text) => text.replace(" ", "T")),
  numeric: type(1700, Number),
  bytea: type(17, (text) => text),
  // lite serializes twice: an object becomes a JSON string in the column or argument.
  json: type(114, JSON.parse, toJsonOnce),
  jsonb: type(3802, JSON.parse, toJsonOnce),
};

function type(
  oid: number,
  parse: (text: string) => unknown,
  serialize: (value: unknown) => string = String,
): postgres.PostgresType {
  return { to: oid, from: [oid], parse, serialize };
}

function toJsonOnce(value: unknown): string {
  return typeof value === "string" && /^\s*[[{]/.test(value) ? value : JSON.stringify(value);
}

/** Reads the catalog through a second connection, with the rights of another role. */
async function useIntrospector(
  internals: Internals,
  url: string,
  connection: PostgresConnection,
): Promise<void> {
  const introspector = new PostgresConnection({ url, postgresOptions: { max: 1 } });
  await learnArrayTypes(introspector.driver);
  const clear = connection.clearSchemaCache.bind(connection);
  const close = connection.close.bind(connection);
  internals.introspect = (options) => introspector.introspect(options);
  internals.clearSchemaCache = async () => {
    await clear();
    await introspector.clearSchemaCache();
  };
  connection.close = async () => {
    await Promise.all([close(), introspector.close()]);
  };
}

/** Sets session variables until the end of the transaction, in one round trip. */
async function setConfig(db: Executor, values: Record<string, string>): Promise<void> {
  const parameters = Object.entries(values).flat();
  const calls = parameters.flatMap((_, index) =>
    index % 2 === 0 ? [`set_config($${index + 1}, $${index + 2}, true)`] : []
  );
  const sql = `select ${calls.join(", ")}`;
  await db.executeQuery({ sql, parameters, query: { kind: "RawNode" }, queryId: { queryId: "0" } });
}
