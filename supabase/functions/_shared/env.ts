/** A variable that a function cannot work without is not set. Rendered as 503, named in the log only. */
export class MissingVariableError extends Error {
  constructor(readonly variable: string) {
    super(`${variable} is not set: set it with "supabase secrets set ${variable}=…"`);
    this.name = "MissingVariableError";
  }
}

/** The value of an environment variable, or undefined when it is absent or empty. */
export function optionalEnv(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}

/** The value of an environment variable. @throws {MissingVariableError} when it is absent or empty */
export function requireEnv(name: string): string {
  const value = optionalEnv(name);
  if (value === undefined) throw new MissingVariableError(name);
  return value;
}

/** Base address of the project as others reach us, without a trailing slash. */
export function publicUrl(): string {
  return (optionalEnv("CABINA_PUBLIC_URL") ?? requireEnv("SUPABASE_URL")).replace(/\/+$/, "");
}

/** Whether an address can only be reached from this machine. */
export function isLoopback(url: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(new URL(url).hostname);
}
