import { z } from "zod";
import { instant } from "../_shared/fields.ts";

/** What dashboards count of photos, for whatever span or group it is counted (docs/numbers.md). */
export const photoCounts = {
  made: z.int().describe("Photos begun"),
  succeeded: z.int().describe("Pictures that came, late ones included"),
  late: z.int().describe(
    "Of succeeded: came after the photo had been given up, for free",
  ),
  failed: z.int().describe(
    "Photos given up, also those whose picture came late",
  ),
  refunded: z.int().describe("Of failed: those that gave a charge back"),
  success_rate: z.number().nullable().describe(
    "0 to 1: of the photos that ended, how many had their picture in time; null: none ended",
  ),
  guests: z.int().describe("Guests who began their first photo of an event"),
  photos_per_guest: z.number().nullable(),
};

/** Counts, and what is going on at this moment. */
export const photosNow = z.object({
  ...photoCounts,
  in_flight: z.int().describe("Waiting or being made now"),
});

/** Counts of an hour that begins at `hour`. */
export const hourCounts = z.object({
  hour: instant,
  local_hour: z.string().describe("hour as a clock of timezone shows it"),
  ...photoCounts,
});

/** Counts of a day on a clock of the time zone. */
export const dayCounts = z.object({ day: z.iso.date(), ...photoCounts });

/** How long guests waited. */
export const latency = z.object({
  p50_seconds: z.number().nullable(),
  p95_seconds: z.number().nullable(),
}).describe(
  "From the request to the picture, of those in time; within a tenth. null: no pictures",
);

/** Photos of a style. */
export const styleCounts = z.object({
  style_id: z.string(),
  label: z.string(),
  made: photoCounts.made,
  succeeded: photoCounts.succeeded,
});

/** What the provider got; null for everybody but masters. */
export const providerMoney = {
  provider_credits: z.number().nullable().describe(
    "In the provider's own credits",
  ),
  provider_cost: z.number().nullable().describe(
    "null also while settings name no price",
  ),
  provider_currency: z.string().nullable(),
  margin: z.number().nullable().describe(
    "Revenue without provider_cost; null unless both are known and in one currency",
  ),
};
