/** What a log line may carry: ids, codes, numbers. Never a photo, prompt, key, token or contact. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** Writes one JSON line. `event` is a fixed name, e.g. `request` or `provider_refused`. */
export function log(level: "info" | "warn" | "error", event: string, fields: LogFields = {}): void {
  console[level](JSON.stringify({ level, event, ...fields }));
}

/** What to write of something that was thrown: its name and message, and those of its cause. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : ` (cause: ${describeError(error.cause)})`;
  return `${error.name}: ${error.message}${cause}`;
}
