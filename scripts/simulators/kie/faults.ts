import {
  type Aim,
  type Change,
  DEFAULT_BALANCE,
  DEFAULTS,
  type Layer,
  SECTIONS,
} from "./settings.ts";

type Defaulted = keyof typeof DEFAULTS;
type Listed = "fail" | "create" | "record_faults";

/** The faults that are on, for all accounts and for single ones, and every random decision. */
export class Faults {
  scale = 1;
  seed: number | null = null;
  http_status: "inner" | "real" = "inner";
  long_edge = 1024;
  default_balance = DEFAULT_BALANCE;
  #everyone: Layer = {};
  #accounts = new Map<string, Layer>();
  #random: () => number = Math.random;

  /** Applies a checked body of the control route; balances are the caller's business. */
  apply(change: Change): void {
    const layer = change.account === undefined
      ? this.#everyone
      : this.#accounts.get(change.account) ?? {};
    for (const name of SECTIONS) {
      const value = change[name];
      if (value === null) delete layer[name];
      else if (value !== undefined) Object.assign(layer, { [name]: value });
    }
    if (change.account !== undefined) this.#accounts.set(change.account, layer);
    else if (change.balance !== undefined) this.default_balance = change.balance;
    this.scale = change.scale ?? this.scale;
    this.http_status = change.http_status ?? this.http_status;
    this.long_edge = change.long_edge ?? this.long_edge;
    if (change.seed !== undefined) {
      this.seed = change.seed;
      this.#random = seededRandom(change.seed);
    }
  }

  /** Everything back to the defaults, for all accounts. */
  reset(): void {
    Object.assign(this, new Faults());
    this.#everyone = {};
    this.#accounts.clear();
    this.#random = Math.random;
  }

  /** The settings as they hold now; what a `next` still has left is counted down in place. */
  show() {
    const { scale, seed, http_status, long_edge, default_balance } = this;
    return {
      scale,
      seed,
      http_status,
      long_edge,
      balance: default_balance,
      everyone: { ...DEFAULTS, ...this.#everyone },
      accounts: Object.fromEntries(this.#accounts),
    };
  }

  /**
   * A section for an account: its own, else everyone's, else the default. A section with an aim counts down when it is
   * asked for, and leaves the default when it misses.
   */
  section<Name extends Defaulted>(account: string, name: Name): NonNullable<Layer[Name]> {
    const own = this.#accounts.get(account)?.[name] ?? this.#everyone[name];
    const strikes = own !== undefined && (typeof own !== "object" || this.#strikes(own as Aim));
    return (strikes ? own : DEFAULTS[name]) as NonNullable<Layer[Name]>;
  }

  /** The first fault of a list that strikes now, counted down. The lists of an account come before everyone's. */
  strike<Name extends Listed>(
    account: string,
    name: Name,
  ): NonNullable<Layer[Name]>[number] | undefined {
    const faults = [...this.#accounts.get(account)?.[name] ?? [], ...this.#everyone[name] ?? []];
    return (faults as NonNullable<Layer[Name]>[number][]).find((fault) => this.#strikes(fault));
  }

  /** Provider milliseconds from creation to the end of a task, drawn from the account's distribution. */
  drawLatency(account: string): number {
    const latency = this.section(account, "latency");
    if (latency.kind === "fixed") return latency.ms;
    if (latency.kind === "uniform") {
      return latency.min_ms + (latency.max_ms - latency.min_ms) * this.#random();
    }
    // Box-Muller: a normal deviate from two uniform ones, as exponent of a log-normal.
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) *
      Math.cos(2 * Math.PI * this.#random());
    return Math.min(latency.max_ms, latency.median_ms * Math.exp(latency.sigma * normal));
  }

  #strikes(fault: Aim): boolean {
    if (fault.rate !== undefined) return this.#random() < fault.rate;
    if (fault.next === undefined) return true;
    if (fault.next === 0) return false;
    fault.next -= 1;
    return true;
  }
}

/** Numbers in [0, 1) that a seed determines (mulberry32, public domain). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
