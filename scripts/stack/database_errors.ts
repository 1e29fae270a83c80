import postgres from "postgres";

/** Status of each class of SQLSTATE, as in the PostgREST manual (References, Errors). */
const STATUS: [RegExp, number][] = [
  [/^P0001$/, 400],
  [/^(42883|42P01)$/, 404],
  [/^(23503|23505)$/, 409],
  [/^25006$/, 405],
  [/^(0L|0P|28)/, 403],
  [/^(08|53)/, 503],
  [/^(09|25|2D|38|39|3B|40|42P17|53400|54|55|57|58|F0|HV|P0|XX)/, 500],
];

/** HTTP status for a database error; what a caller may not do is 401 for anon, else 403. */
export function statusOf(code: string, role: string): number {
  const custom = /^PT([2-5]\d\d)$/.exec(code)?.[1];
  if (custom) return Number(custom);
  if (code === "42501") return role === "anon" ? 401 : 403;
  return STATUS.find(([pattern]) => pattern.test(code))?.[1] ?? 400;
}

/** Body of a database error as PostgREST writes it. */
export function bodyOf(error: postgres.PostgresError): Record<string, string | null> {
  return {
    code: error.code,
    details: error.detail ?? null,
    hint: error.hint ?? null,
    message: error.message,
  };
}

/** The answer to a request whose statement failed; anything but a database error is thrown on. */
export function errorResponse(error: unknown, role: string): Response {
  if (error instanceof postgres.PostgresError) {
    return Response.json(bodyOf(error), { status: statusOf(error.code, role) });
  }
  throw error;
}
