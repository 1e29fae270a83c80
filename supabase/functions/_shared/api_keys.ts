import { MissingVariableError, optionalEnv } from "./env.ts";
import { isEqual } from "./hmac.ts";

/** What a key of the project opens: what anybody may, or everything. */
export type KeyKind = "publishable" | "secret";

/** The kind of a key of this project; null for a text that is none. @throws {MissingVariableError} */
export function kindOfKey(text: string): KeyKind | null {
  for (const kind of ["publishable", "secret"] as const) {
    if (Object.values(keysOf(kind)).some((key) => isEqual(text, key))) return kind;
  }
  return null;
}

/** The key with which this function acts itself. @throws {MissingVariableError} */
export function requireSecretKey(): string {
  const keys = keysOf("secret");
  return keys.default ?? Object.values(keys)[0]!;
}

/** Keys by name: a JSON object, as the platform tells them, or a single one. */
function keysOf(kind: KeyKind): Record<string, string> {
  const name = `SUPABASE_${kind.toUpperCase()}_KEY`;
  const several = optionalEnv(`${name}S`);
  const told: Record<string, string | undefined> = several === undefined
    ? { default: optionalEnv(name) }
    : JSON.parse(several);
  // An empty text is no key, and opens nothing to an empty header.
  const keys = Object.entries(told).filter((entry): entry is [string, string] => !!entry[1]);
  if (keys.length === 0) throw new MissingVariableError(`${name}S`);
  return Object.fromEntries(keys);
}
