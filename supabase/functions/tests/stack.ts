import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import postgres from "postgres";
import { readStack } from "../../../scripts/stack/testing.ts";
import { checkAnswers } from "./contract.ts";
import { changeProvider } from "./provider_simulator.ts";

export { eventually } from "../../../scripts/stack/testing.ts";

/** The stack under test. */
export const stack = await readStack();

// Whoever asks, and however.
checkAnswers(stack.api_url);

/**
 * Registers a test, at whose end the credits are audited. Connections to the database and the stack
 * are shared by the tests of a file, so what one leaves open is no leak.
 */
export function test(name: string, body: () => Promise<void>): void {
  const fn = async () => {
    await body();
    await assertAuditEmpty();
  };
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Fails when any balance differs from its ledger. */
export async function assertAuditEmpty(): Promise<void> {
  const rows = await sql`select * from credit_audit()`;
  if (rows.length > 0) throw new Error(`the audit found ${JSON.stringify(rows)}`);
}

/** The database, as the operator's role. */
export const sql = postgres(stack.db_url, { max: 4, onnotice: () => {} });

/** A client with the rights of the service. */
export const service: SupabaseClient = anonymousClient(stack.secret_key);

/** A client without a session. */
export function anonymousClient(key = stack.publishable_key): SupabaseClient {
  return createClient(stack.api_url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
}

/** What a function answered. */
export interface Answer {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any -- tests look into answers of any shape
  body: any;
}

interface CallOptions {
  method?: string;
  token?: string;
  apikey?: string | null;
  headers?: Record<string, string>;
  rawBody?: BodyInit;
}

/** Calls a function. Sends the publishable key unless told otherwise. */
export async function callFunction(
  route: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<Answer> {
  const apikey = options.apikey === undefined ? stack.publishable_key : options.apikey;
  const payload = options.rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(`${stack.api_url}/functions/v1/${route}`, {
    method: options.method ?? "POST",
    headers: {
      ...(payload !== undefined && { "content-type": "application/json" }),
      ...(apikey !== null && { apikey }),
      ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
      ...options.headers,
    },
    ...(payload !== undefined && { body: payload }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text.startsWith("{") ? JSON.parse(text) : text,
  };
}

/** Runs one sweep, as the scheduler does. */
export function sweep(): Promise<Answer> {
  return callFunction("cabina-vision/sweep", {}, { apikey: stack.secret_key });
}

/** Tells the provider's simulator how to behave; without settings, well again. Ten times faster than life. */
export async function controlProvider(settings: Record<string, unknown> = {}): Promise<void> {
  await fetch(`${stack.sim_url}/kie/_control`, { method: "DELETE" });
  await changeProvider(stack.sim_url, { scale: 0.1, ...settings });
}

// Whatever another file left behind.
await controlProvider();
