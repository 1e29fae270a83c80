/** The middle one of some values; NaN of none. */
export function median(values: number[]): number {
  return percentile(values.toSorted((a, b) => a - b), 0.5);
}

/** The value that the given part of sorted values does not exceed; NaN of none. */
export function percentile(sorted: number[], part: number): number {
  return sorted[Math.max(Math.ceil(sorted.length * part) - 1, 0)] ?? NaN;
}

/** Two decimals. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
