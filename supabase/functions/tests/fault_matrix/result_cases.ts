// Callbacks at every moment, in every shape, with every signature; and links that do not lead to a picture.
import { type FaultCase, product, SUCCEEDS } from "./fault_case.ts";

const WHEN = ["normal", "late", "never", "before_answer", "before_finish"];
const SHAPES = ["market_2026", "market_2025", "signature_page"];
const SIGNATURES = ["valid", "none", "stale", "wrong_key"];

const HABITS = [
  ...product(SHAPES, SIGNATURES, (shape, signature) => ({ shape, signature })),
  { copies: 3, signature: "valid" },
  { forged: true, signature: "valid" },
  { altered_replay: true, signature: "valid" },
];

/** Whatever callbacks do, the photo is made once. Those in order are enough by themselves. */
export const callbacks: FaultCase[] = product(WHEN, HABITS, (when, habit) => ({
  name: `callback: ${when}, ${Object.entries(habit).map((entry) => entry.join(" ")).join(", ")}`,
  faults: { callbacks: { when, late_ms: 300, ...habit } },
  ...SUCCEEDS,
  // Before the task is finished, the provider's record contradicts its callback.
  isToldByCallback: habit.signature === "valid" && when !== "never" && when !== "before_finish",
}));

const MB = 1_000_000;

/** What lies behind the link is not what was promised; a second task is well. */
export const download: FaultCase[] = [
  { name: "a link that is dead", results: { dies_after_ms: 0 }, tasks: 1 },
  { name: "a picture that says it is text", results: { content_type: "text/html" }, tasks: 1 },
  { name: "a picture with much behind it", results: { oversize_bytes: MB }, tasks: 1 },
  { name: "a picture beyond the cap", results: { oversize_bytes: 60 * MB }, tasks: 2 },
  { name: "a page instead of a picture", results: { body: "html" }, tasks: 2 },
  { name: "a success without a link", results: { no_urls: true }, tasks: 2 },
  // The copy waits 8 seconds for the other half.
  { name: "half a picture", results: { stall: true }, tasks: 2 },
].map(({ name, results, tasks }) => ({ name, faults: { results }, ...SUCCEEDS, tasks }));
