import {
  type FunctionInvokeOptions,
  FunctionsHttpError,
  type SupabaseClient,
} from "@supabase/supabase-js";

/** The server said no: a stable code and a sentence for people. */
export class RefusedError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** Calls an edge function with a JSON body. @throws {RefusedError} with the envelope's code and message */
export async function call<T>(
  supabase: SupabaseClient,
  path: string,
  body: Record<string, unknown>,
  options: Pick<FunctionInvokeOptions, "method" | "headers"> = {},
): Promise<T> {
  return read(await supabase.functions.invoke(path, { body, ...options }));
}

/** Asks an edge function. @throws {RefusedError} with the envelope's code and message */
export async function get<T>(
  supabase: SupabaseClient,
  path: string,
  headers: Record<string, string> = {},
): Promise<T> {
  return read(await supabase.functions.invoke(path, { method: "GET", headers }));
}

async function read<T>({ data, error }: { data: T | null; error: unknown }): Promise<T> {
  if (error instanceof FunctionsHttpError) {
    const envelope = await (error.context as Response).json();
    const fields = (envelope.details ?? []).map((d: { field: string; message: string }) =>
      `${d.field}: ${d.message}`
    );
    throw new RefusedError(envelope.error, [envelope.message, ...fields].join(" "));
  }
  if (error !== null) throw error;
  return data as T;
}
