import { REASONS, Refusal } from "./envelope.ts";
import type { Faults } from "./faults.ts";
import { Limiter, WindowCounter } from "./limiter.ts";

/** An account of the provider: several keys may belong to it, balance and limit are one. */
export class Account {
  balance: number;
  in_flight = 0;
  peak_in_flight = 0;
  created = 0;
  accepted = 0;
  rejected_429 = 0;
  refused = 0;
  queries = 0;
  queries_rejected_429 = 0;
  callbacks_sent = 0;
  callbacks_failed = 0;
  #creates = new Limiter();
  #queries = new Map<string, Limiter>();
  #windows = new WindowCounter();

  constructor(readonly name: string, readonly faults: Faults) {
    this.balance = faults.default_balance;
  }

  /** @throws Refusal 429 when the account made too many tasks just now; the request is dropped, not queued. */
  passCreate(now: number): void {
    const limits = this.faults.section(this.name, "limits");
    const window = limits.creates_window_ms * this.faults.scale;
    if (!this.#creates.pass(now, limits.creates, window)) throw tooFast();
    this.#windows.count(now, window);
  }

  /** @throws Refusal 429 when the key asks for tasks too often. */
  passQuery(key: string, now: number): void {
    this.queries += 1;
    const limiter = this.#queries.get(key) ?? new Limiter();
    this.#queries.set(key, limiter);
    const limits = this.faults.section(this.name, "limits");
    if (!limiter.pass(now, limits.queries, limits.queries_window_ms * this.faults.scale)) {
      this.queries_rejected_429 += 1;
      throw tooFast();
    }
  }

  /** Takes the price of a task. @throws Refusal 402 when the balance is too small; nothing is taken then. */
  debit(price: number): void {
    if (this.balance < price) {
      throw new Refusal(402, REASONS[402]);
    }
    this.balance -= price;
    this.accepted += 1;
    this.in_flight += 1;
    this.peak_in_flight = Math.max(this.peak_in_flight, this.in_flight);
  }

  /** A task ended; what it had cost comes back when it failed. */
  settle(refund: number): void {
    this.in_flight -= 1;
    this.balance += refund;
  }

  /** Counters of the account, for /kie/_stats. */
  stats() {
    const { name: _name, faults, ...counters } = this;
    const slots = this.#windows.report(faults.section(this.name, "limits").creates);
    return { ...counters, slots };
  }
}

/** The accounts, made when one of their keys is first used. */
export class Accounts {
  readonly #accounts = new Map<string, Account>();
  constructor(readonly faults: Faults) {}

  /**
   * The account behind an Authorization header, and the key itself.
   *
   * Keys begin with `sim-`. `sim-<account>:<name>` is one of several keys of an account; any other is an account alone.
   * @throws Refusal 401 for anything else and for a disabled account.
   */
  authenticate(header: string | undefined): { account: Account; key: string } {
    const key = /^Bearer (sim-[\w.:-]{1,120})$/i.exec(header ?? "")?.[1];
    const name = key === undefined ? undefined : /^sim-([^:]+):./.exec(key)?.[1] ?? key;
    if (key === undefined || name === undefined || this.faults.section(name, "disabled")) {
      throw new Refusal(401, REASONS[401]);
    }
    return { account: this.get(name), key };
  }

  get(name: string): Account {
    const account = this.#accounts.get(name) ?? new Account(name, this.faults);
    this.#accounts.set(name, account);
    return account;
  }

  /** Sets the balance of one account, or of all. */
  setBalance(name: string | undefined, balance: number): void {
    const accounts = name === undefined ? this.#accounts.values() : [this.get(name)];
    for (const account of accounts) account.balance = balance;
  }

  all(): Account[] {
    return [...this.#accounts.values()];
  }
}

function tooFast(): Refusal {
  return new Refusal(429, REASONS[429]);
}
