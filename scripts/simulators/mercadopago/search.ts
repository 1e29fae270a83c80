import { moment } from "./dates.ts";
import { ApiError } from "./errors.ts";
import type { Payment, PaymentView } from "./payments.ts";

const YEAR_MS = 365 * 86_400_000;
const PAGE = 30;
// The reference names the error, not the numbers: a client that keeps within these is safe.
const MOST_ROWS = 100;
const LAST_ROW = 10_000;

const DATES = ["date_created", "date_approved", "date_last_updated", "money_release_date"] as const;
type Attribute = (typeof DATES)[number] | "id";

/** Answers a search: the payments of the last 12 months that fit the query, a page of them. @throws ApiError */
export function search(
  payments: Iterable<Payment>,
  query: Record<string, string | undefined>,
  lagMs: number,
) {
  const now = Date.now();
  const sort = oneOf(query.sort ?? "date_created", [...DATES, "id"], 1003, "sort");
  const criteria = oneOf(query.criteria ?? "desc", ["asc", "desc"], 1004, "criteria");
  const limit = count(query.limit, PAGE);
  const offset = count(query.offset, 0);
  if (limit > MOST_ROWS || offset + limit > LAST_ROW) throw tooMany();
  const inRange = range(query, now);
  const reference = query.external_reference;
  const found = [...payments].filter(({ view, created_at }) =>
    created_at >= now - YEAR_MS && created_at <= now - lagMs && inRange(view) &&
    (!reference || view.external_reference === reference)
  ).map(({ view }) => view);
  const sign = criteria === "asc" ? 1 : -1;
  found.sort((a, b) => sign * (rank(a, sort) - rank(b, sort) || a.id - b.id));
  return {
    paging: { total: found.length, limit, offset },
    results: found.slice(offset, offset + limit),
  };
}

function range(
  query: Record<string, string | undefined>,
  now: number,
): (view: PaymentView) => boolean {
  if (!query.range && !query.begin_date && !query.end_date) return () => true;
  const attribute = oneOf(query.range ?? "date_created", [...DATES], 1001, "range");
  const begin = query.begin_date ? readDate(query.begin_date, now) : -Infinity;
  const end = query.end_date ? readDate(query.end_date, now) : Infinity;
  return (view) => {
    const at = moment(view[attribute]);
    return at !== undefined && begin <= at && at <= end;
  };
}

// Besides ISO dates the gateway takes NOW and NOW minus days, as in NOW-30DAYS.
function readDate(text: string, now: number): number {
  const relative = /^NOW(?:-(\d{1,4})DAYS?)?$/.exec(text);
  if (relative !== null) return now - Number(relative[1] ?? 0) * 86_400_000;
  const at = moment(text);
  if (at === undefined) {
    throw new ApiError(400, "bad_request", `Invalid date format: ${text}`, [1001]);
  }
  return at;
}

function rank(view: PaymentView, attribute: Attribute): number {
  return attribute === "id" ? view.id : moment(view[attribute]) ?? 0;
}

function count(text: string | undefined, otherwise: number): number {
  if (!text) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw tooMany();
  return Number(text);
}

function oneOf<T extends string>(value: string, allowed: T[], code: number, name: string): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) {
    throw new ApiError(400, "bad_request", `Invalid ${name}: ${value}`, [code]);
  }
  return found;
}

function tooMany(): ApiError {
  return new ApiError(400, "bad_request", "Number of rows exceeded the limits", [1000]);
}
