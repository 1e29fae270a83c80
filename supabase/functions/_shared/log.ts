/** What a log line may carry: ids, codes, numbers. Never a photo, prompt, key, token or contact. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** Writes one JSON line. `event` is a fixed name, e.g. `request` or `provider_refused`. */
export function log(level: "info" | "warn" | "error", event: string, fields: LogFields = {}): void {
  console[level](JSON.stringify({ level, event, ...fields }));
}

/**
 * What to write of something that was thrown: its name, code and message, and those of its cause.
 * supabase-js hands out errors that are plain objects, so it goes by the fields.
 */
export function describeError(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  const { name, code, message, cause } = error as Record<string, unknown>;
  const words = [name, code].filter((word) => typeof word === "string" && word !== "").join(" ");
  const because = cause === undefined ? "" : ` (cause: ${describeError(cause)})`;
  return `${words || "error"}: ${message ?? JSON.stringify(error)}${because}`;
}
