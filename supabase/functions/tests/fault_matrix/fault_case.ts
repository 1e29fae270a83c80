/** Why a photo was given up. */
type Failure =
  | "GENERATION_FAILED"
  | "GENERATION_REFUSED"
  | "GENERATION_TIMED_OUT"
  | "PROVIDER_UNAVAILABLE";

/** What is thought of a key after it met a fault. */
export type KeyHealth = "ready" | "cooling" | "suspended";

/** One fault, and what is to come of the photo whose first try meets it. */
export interface FaultCase {
  name: string;
  /** What the simulator plays to the case's own account: scripts/simulators/kie/settings.ts. */
  faults: Record<string, unknown>;
  ends: "succeeded" | Failure;
  /** Tasks that the provider makes for the photo. It bills those that succeed. */
  tasks: number;
  key: KeyHealth;
  /** The callback has to be enough: nobody looks without it. */
  isToldByCallback?: boolean;
}

/** Cases that are played at the same moment, the first try of each at an account of its own. */
export interface Batch {
  name: string;
  cases: FaultCase[];
  /** Codes travel in the body alone, or as HTTP status too. */
  httpStatus?: "inner" | "real";
  /** Who looks after the photos, besides callbacks: sweeps alone, or guests who poll as well. */
  lookedAfterBy?: "sweeps" | "guests";
  /** Second tries go to the accounts of the other cases, and not to some that are well. */
  isEverywhere?: boolean;
  /** Answers to creations are lost: what is still not there soon counts as lost. */
  losesAnswers?: boolean;
  /** The time for this is up soon. */
  shortened?: "dispatch" | "delivery";
  /** The provider has had its tasks for so long that it must know them. */
  isLongSubmitted?: boolean;
}

/** The codes of the provider's fact sheet, for requests and for tasks. */
export const CODES = [400, 401, 402, 404, 408, 422, 429, 433, 455, 500, 501, 505];

/** The photo is made at the first try that is accepted, and nothing is held against the key. */
export const SUCCEEDS = { ends: "succeeded", tasks: 1, key: "ready" } as const;

/** The photo is given up after so many tasks, which is not the key's fault. */
export const gaveUp = (ends: Failure, tasks: number) => ({ ends, tasks, key: "ready" }) as const;

/** Every one of these with every one of those. */
export function product<A, B, T>(
  these: readonly A[],
  those: readonly B[],
  make: (a: A, b: B) => T,
): T[] {
  return these.flatMap((a) => those.map((b) => make(a, b)));
}
