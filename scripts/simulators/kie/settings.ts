import { z } from "zod";

/*
 * What the control route accepts: the one place that names every bad habit the simulator can play.
 *
 * All times are provider milliseconds; `scale` turns them into real ones.
 */

const ms = z.number().min(0).max(3_600_000);

/** When a fault strikes: the next N times, or with a probability; with neither, always. */
export interface Aim {
  next?: number | undefined;
  rate?: number | undefined;
}
const aim = {
  next: z.int().min(0).optional(),
  rate: z.number().min(0).max(1).optional(),
};
function aimed<S extends z.ZodType<Aim>>(schema: S): S {
  const clear = (fault: Aim) => fault.next === undefined || fault.rate === undefined;
  return schema.refine(clear, "Give next or rate, not both");
}
function oneOrMany<S extends z.ZodType>(schema: S) {
  const list = z.array(schema).max(20);
  return z.preprocess((value) => Array.isArray(value) ? value : [value], list);
}

// `accepted`: the request had its effect all the same, as when an answer is lost after a task was made.
const accepted = z.boolean().default(false);

/**
 * A request that goes wrong.
 *
 * `drop`: Deno's fetch sends a request whose connection was cut once more by itself, a POST included, unless its body
 * is a stream. Such a client meets a drop twice, and makes two tasks when the drop was accepted.
 */
const RequestFault = aimed(z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("code"),
    code: z.int().min(400).max(599),
    msg: z.string().optional(),
    accepted,
    ...aim,
  }),
  z.strictObject({ kind: z.literal("html502"), accepted, ...aim }),
  z.strictObject({ kind: z.literal("drop"), accepted, ...aim }),
  z.strictObject({ kind: z.literal("slow"), ms, ...aim }),
]));

/** A task that is accepted and then fails. */
const TaskFailure = aimed(z.strictObject({
  fail_code: z.string().default("500"),
  fail_msg: z.string().default("Internal Error, Please try again later."),
  ...aim,
}));

/** From creation to the end of a task. */
const Latency = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("fixed"), ms }),
  z.strictObject({ kind: z.literal("uniform"), min_ms: ms, max_ms: ms }),
  z.strictObject({
    kind: z.literal("long_tail"),
    median_ms: ms,
    // Spread of the logarithm: with 0.6 one task in a hundred takes four times the median.
    sigma: z.number().min(0).max(3).default(0.6),
    max_ms: ms.default(600_000),
  }),
]);

/** What recordInfo shows. */
const Record = z.strictObject({
  // How long a new task is unknown, and how an unknown task is reported: both ways are documented.
  unknown_ms: ms.default(0),
  unknown_as: z.enum(["422", "404"]).default("422"),
  skip_states: z.boolean().default(false),
  result_json: z.enum(["string", "object", "malformed", "empty", "null", "absent"])
    .default("string"),
});

const Callbacks = aimed(z.strictObject({
  // before_answer: delivered before createTask is answered.
  // before_finish: claims success while recordInfo still says generating.
  when: z.enum(["normal", "late", "never", "before_answer", "before_finish"]).default("normal"),
  late_ms: ms.default(30_000),
  copies: z.int().min(1).max(20).default(1),
  shape: z.enum(["market_2026", "market_2025", "signature_page"]).default("market_2026"),
  signature: z.enum(["valid", "none", "stale", "wrong_key"]).default("valid"),
  // Before the real callback somebody who knows the task id, but not the key, claims success with another picture.
  forged: z.boolean().default(false),
  // After the real callback its headers come again with another body: the signature does not cover the body.
  altered_replay: z.boolean().default(false),
  ...aim,
}));

/** What the result link of a task does. */
const Results = aimed(z.strictObject({
  // The link answers 403 this long after success, while the record stays `success`.
  dies_after_ms: ms.optional(),
  content_type: z.string().min(1).optional(),
  body: z.enum(["picture", "html"]).default("picture"),
  no_urls: z.boolean().default(false),
  // Zeros follow the picture until the answer has this size.
  oversize_bytes: z.int().min(1).max(1_000_000_000).optional(),
  // Half of the picture comes, then nothing, and the connection stays open.
  stall: z.boolean().default(false),
  ...aim,
}));

/** docs.kie.ai: 20 new tasks in 10 seconds per account, 10 queries a second per key. */
const Limits = z.strictObject({
  creates: z.int().min(0).default(20),
  creates_window_ms: ms.default(10_000),
  queries: z.int().min(0).default(10),
  queries_window_ms: ms.default(1_000),
});

/** Body of POST /kie/_control: a section given replaces the one before it, null removes it. */
export const Change = z.strictObject({
  // The account that the sections and the balance are for; without it, all accounts.
  account: z.string().min(1).optional(),
  latency: Latency.nullish(),
  fail: oneOrMany(TaskFailure).nullish(),
  create: oneOrMany(RequestFault).nullish(),
  record_faults: oneOrMany(RequestFault).nullish(),
  record: Record.nullish(),
  callbacks: Callbacks.nullish(),
  results: Results.nullish(),
  limits: Limits.nullish(),
  disabled: z.boolean().nullish(),
  // Set at once; without an account, for every account and those to come.
  balance: z.number().min(0).optional(),
  // Real time for provider time: 0.1 is ten times faster. Holds for everything that starts from now on.
  scale: z.number().min(0).max(100).optional(),
  // Makes the random decisions from here on repeatable.
  seed: z.int().optional(),
  http_status: z.enum(["inner", "real"]).optional(),
  // Long edge of a 1K picture, in pixels.
  long_edge: z.int().min(64).max(2048).optional(),
}).refine(
  (change) =>
    change.account === undefined || PROCESS_WIDE.every((name) => change[name] === undefined),
  "scale, seed, http_status and long_edge hold for all accounts: leave out account to set them",
);
export type Change = z.infer<typeof Change>;

const PROCESS_WIDE = ["scale", "seed", "http_status", "long_edge"] as const;

/** The names of the sections that hold for one account or for all. */
export const SECTIONS = [
  "latency",
  "fail",
  "create",
  "record_faults",
  "record",
  "callbacks",
  "results",
  "limits",
  "disabled",
] as const;
type Section = (typeof SECTIONS)[number];

/** Sections as they hold; one that is absent is off, or at its default. */
export type Layer = { [Name in Section]?: NonNullable<Change[Name]> };
export type RequestFault = z.infer<typeof RequestFault>;

/** What holds where nobody said anything: a provider in good health, quick enough to watch. */
export const DEFAULTS = {
  latency: { kind: "uniform", min_ms: 2_000, max_ms: 3_000 },
  record: Record.parse({}),
  callbacks: Callbacks.parse({}),
  results: Results.parse({}),
  limits: Limits.parse({}),
  disabled: false,
} as const satisfies Layer;

/** Credits of an account nobody said anything about. */
export const DEFAULT_BALANCE = 100_000;
