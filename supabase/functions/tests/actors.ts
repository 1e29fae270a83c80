import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { createPerson } from "./fixtures.ts";
import { sql, stack } from "./stack.ts";
import type { Person, Tenant } from "./tenants.ts";

/** Who attacks: a name for messages, and their session; none for anon. */
export interface Actor {
  name: string;
  id: string | null;
  token: string | null;
}

/** Everybody but a master, from the view of a victim: a visitor, and the people of another tenant. */
export function strangers({ owner, host, user }: Tenant): Actor[] {
  const actor = (name: string, { id, token }: Person) => ({ name, id, token });
  return [
    { name: "anon", id: null, token: null },
    actor("user", user),
    actor("client", host),
    actor("partner", owner),
  ];
}

/** A master, made for one test: `body` gets it, afterwards it is a user again. */
export async function withMaster(body: (master: Actor) => Promise<void>): Promise<void> {
  const { id, token } = await createPerson({ role: "master" });
  try {
    await body({ name: "master", id, token });
  } finally {
    await sql`update profiles set role = 'user' where id = ${id}`;
  }
}

/** The names of the secrets that a text contains. */
export function leaksIn(text: string, secrets: Record<string, string>): string[] {
  return Object.entries(secrets).filter(([, secret]) => text.includes(secret)).map(([name]) =>
    name
  );
}

/** A table or view of the Data API, and which of its columns are granted for reading. */
export interface OpenTable {
  name: string;
  columns: string[];
  forAnon: string[];
  forPeople: string[];
}

/** Every table and view of the Data API, from the catalogue: one that is added is attacked too. */
export async function openTables(): Promise<OpenTable[]> {
  return await sql<OpenTable[]>`
    select columns.name, array_agg(column_name) as columns,
      coalesce(array_agg(column_name) filter (where for_anon), '{}') as "forAnon",
      coalesce(array_agg(column_name) filter (where for_people), '{}') as "forPeople"
    from (
      select pg_class.relname::text as name, attname::text as column_name,
        has_column_privilege('anon', attrelid, attnum, 'select') as for_anon,
        has_column_privilege('authenticated', attrelid, attnum, 'select') as for_people
      from pg_class
      join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
      order by relname, attnum
    ) as columns
    group by columns.name`;
}

/** A supabase-js client with the session of an actor. */
export function clientOf({ token }: Pick<Actor, "token">): SupabaseClient {
  return createClient(stack.api_url, stack.publishable_key, {
    ...(token !== null && { accessToken: () => Promise.resolve(token) }),
    auth: { persistSession: false, autoRefreshToken: false },
  });
}

/** What came back over HTTP, as text too: leaks are looked for in all of it. */
export interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any -- tests look into answers of any shape
  body: any;
}

type AskOptions = Omit<RequestInit, "headers"> & { headers?: Record<string, string> };

/** Asks a service of the gateway by a path that supabase-js would not send. */
export async function ask(
  path: string,
  { token }: Pick<Actor, "token">,
  { headers, ...init }: AskOptions = {},
): Promise<RawAnswer> {
  const response = await fetch(`${stack.api_url}/${path}`, {
    ...init,
    headers: {
      apikey: stack.publishable_key,
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(typeof init.body === "string" && { "content-type": "application/json" }),
      ...headers,
    },
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") && text !== "";
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? JSON.parse(text) : text,
  };
}
