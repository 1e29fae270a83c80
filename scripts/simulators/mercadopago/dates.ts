const OFFSET_MS = -3 * 3_600_000;

/** A moment as the gateway writes it: `2026-05-25T13:01:08.000-03:00`. */
export function stamp(at: number): string {
  return new Date(at + OFFSET_MS).toISOString().replace("Z", "-03:00");
}

/** The moment that a full ISO 8601 date with time and zone names, undefined when it is no such text. */
export function moment(text: unknown): number | undefined {
  const full = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$/;
  if (typeof text !== "string" || !full.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
