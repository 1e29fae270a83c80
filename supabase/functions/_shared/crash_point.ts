import { optionalEnv } from "./env.ts";

/**
 * Where a test may have the process die: after the points of docs/generations.md, which bear the same numbers.
 *
 * Only a test can make it happen: it names a file in CABINA_CRASH_FILE before the function starts, and writes
 * the name of the point into that file. The process that gets there removes the file and is gone, without
 * cleaning up. Everywhere else the variable is absent and this does nothing.
 */
export type CrashPoint =
  | "1-photo-stored"
  | "2-begun"
  | "3-claimed"
  | "4-accepted"
  | "5-recorded"
  | "6-callback-verified"
  | "7-looked-up"
  | "8-half-copied"
  | "9-copied"
  | "10-completed"
  | "11-file-removed"
  | "12-database-swept"
  | "13-message-sent";

const file = optionalEnv("CABINA_CRASH_FILE");

export function crashPoint(point: CrashPoint): void {
  if (file === undefined) return;
  try {
    if (Deno.readTextFileSync(file) !== point) return;
    Deno.removeSync(file);
  } catch {
    return; // No test waits for a crash.
  }
  Deno.exit(137);
}
