import type postgres from "postgres";
import type { Caller } from "./authenticate.ts";
import { errorResponse } from "./database_errors.ts";

/** A function of the catalog, as far as calling it by argument names needs. */
interface Signature {
  schema: string;
  name: string;
  argNames: string[];
  argTypes: string[];
  /** How many arguments, from the first, have no default. */
  required: number;
  returnsSet: boolean;
  /** True for `returns table (…)`: even a single column is a row. */
  returnsColumns: boolean;
  returnsVoid: boolean;
}

/** The fast path of `POST /rest/v1/rpc/{name}`. */
export interface Rpc {
  /** Answers the call, or returns undefined when it is one for PostgREST's wider rules (lite). */
  call: (request: Request, name: string, body: string, caller: Caller) => Promise<
    Response | undefined
  >;
  /** Forgets the catalog: the next call reads it again. */
  forget: () => void;
}

/**
 * Calls database functions with exact JSON in both directions and in one round trip. lite reads
 * jsonb arguments and results inexactly and takes several trips (contract_test.ts). `sql` is
 * connected as `authenticator`, `catalog` as a role that sees every function.
 */
export function createRpc(sql: postgres.Sql, catalog: postgres.Sql): Rpc {
  let functions: Promise<Map<string, Signature[]>> | undefined;
  return {
    forget: () => functions = undefined,
    async call(request, name, body, caller) {
      functions ??= readFunctions(catalog);
      const signatures = (await functions.catch((error) => {
        functions = undefined;
        throw error;
      })).get(name) ?? [];
      const keys = argumentNames(body);
      const fitting = keys && signatures.filter((each) => accepts(each, keys));
      const [signature, ...others] = fitting ?? [];
      if (!keys || !signature || others.length > 0) return undefined;
      try {
        return await run(sql, signature, keys, body, request, caller);
      } catch (error) {
        return errorResponse(error, caller.role);
      }
    },
  };
}

/**
 * True when the request is a plain call: JSON in the body, no query string, no preference, and
 * the default schema and result type. Everything else is lite's.
 */
export function isPlainCall(request: Request): boolean {
  const { headers } = request;
  return request.method === "POST" && !request.url.includes("?") && !headers.has("prefer") &&
    /^(application\/json|$)/.test(headers.get("content-type") ?? "") &&
    /^(application\/json|\*\/\*|$)/.test(headers.get("accept") ?? "") &&
    /^(public|$)/.test(headers.get("content-profile") ?? "");
}

/** The keys of a JSON object; undefined for anything else, which lite refuses in its words. */
function argumentNames(body: string): string[] | undefined {
  if (body === "") return [];
  try {
    const value = JSON.parse(body);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      return Object.keys(value);
    }
  } catch {
    // Not JSON: lite's answer to it is PostgREST's.
  }
  return undefined;
}

function accepts(signature: Signature, keys: string[]): boolean {
  return keys.every((key) => signature.argNames.includes(key)) &&
    signature.argNames.slice(0, signature.required).every((name) => keys.includes(name));
}

async function readFunctions(catalog: postgres.Sql): Promise<Map<string, Signature[]>> {
  // Left to lite: variadic and unnamed arguments, domains (media types), single rows out of OUT.
  const rows = await catalog<Signature[]>`
    select
      namespace.nspname as schema,
      proc.proname as name,
      coalesce(proc.proargnames[1:proc.pronargs], '{}') as "argNames",
      array(select format_type(oid, null) from unnest(proc.proargtypes) with ordinality as arg (oid, n)
        order by n) as "argTypes",
      proc.pronargs - proc.pronargdefaults as required,
      proc.proretset as "returnsSet",
      coalesce(proc.proargmodes && '{o,b,t}', false) as "returnsColumns",
      proc.prorettype = 'void'::regtype as "returnsVoid"
    from pg_proc as proc
    join pg_namespace as namespace on namespace.oid = proc.pronamespace
    join pg_type as result on result.oid = proc.prorettype
    where namespace.nspname = 'public'
      and proc.prokind = 'f'
      and proc.provariadic = 0
      and result.typtype <> 'd'
      and (proc.proretset or not coalesce(proc.proargmodes && '{o,b,t}', false))
      and not coalesce(proc.proargmodes[1:proc.pronargs] && '{o,b,t}', false)
      and (proc.pronargs = 0 or not coalesce('' = any (proc.proargnames[1:proc.pronargs]), true))`;
  return Map.groupBy(rows, (row) => row.name);
}

/**
 * One string of statements in the simple protocol is one implicit transaction: it sets role and
 * claims, calls, reads what the function set, and leaves nothing behind for the next request.
 */
async function run(
  sql: postgres.Sql,
  signature: Signature,
  keys: string[],
  body: string,
  request: Request,
  caller: Caller,
): Promise<Response> {
  const settings = Object.entries({
    role: caller.role,
    search_path: "public, extensions",
    "request.jwt.claims": JSON.stringify({ role: caller.role, ...caller.claims }),
    "request.jwt.claim.sub": String(caller.claims.sub ?? ""),
    "request.jwt.claim.role": caller.role,
    "request.method": request.method,
    "request.path": new URL(request.url).pathname,
    "request.headers": JSON.stringify(Object.fromEntries(request.headers)),
  }).map(([name, value]) => `set_config(${literal(name)}, ${literal(value)}, true)`);
  const results = await sql.unsafe(`
    select ${settings.join(", ")};
    ${callStatement(signature, keys, body)};
    select current_setting('response.status', true), current_setting('response.headers', true)
  `).simple().values() as unknown as [unknown, [[string | null]], [[string | null, string | null]]];
  const [status, headers] = results[2][0];
  if (signature.returnsVoid) return new Response(null, { status: Number(status) || 204 });
  return new Response(results[1][0][0] ?? "null", {
    status: Number(status) || 200,
    headers: [
      ["content-type", "application/json; charset=utf-8"],
      ...JSON.parse(headers || "[]").flatMap((header: Record<string, string>) =>
        Object.entries(header)
      ),
    ],
  });
}

/** The statement that calls the function with the arguments of the JSON object `body`. */
function callStatement(signature: Signature, keys: string[], body: string): string {
  const target = `${identifier(signature.schema)}.${identifier(signature.name)}`;
  const named = keys.map((key) => `${identifier(key)} := args.${identifier(key)}`);
  const call = `${target}(${named.join(", ")})`;
  const columns = keys.map((key) =>
    `${identifier(key)} ${signature.argTypes[signature.argNames.indexOf(key)]}`
  );
  const source = keys.length > 0
    ? ` from json_to_record(${literal(body)}::json) as args (${columns.join(", ")})`
    : "";
  if (signature.returnsSet) {
    // The alias names the row of a composite result and the value of a scalar one.
    const rows = `select result${signature.returnsColumns ? ".*" : " as result"}` +
      `${source ? `${source}, lateral` : " from"} ${call} as result`;
    const each = signature.returnsColumns ? "rows" : "rows.result";
    return `select coalesce(json_agg(${each}), '[]')::text from (${rows}) as rows`;
  }
  return `select ${signature.returnsVoid ? call : `to_json(${call})::text`}${source}`;
}

function literal(text: string): string {
  return `'${text.replaceAll("\0", "").replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
