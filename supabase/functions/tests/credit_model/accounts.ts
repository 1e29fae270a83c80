import type { Outcome } from "./world.ts";

/** Somebody who has credits and can owe some. */
export interface Account {
  credits: number;
  debt: number;
}

/** A command that changes nothing, and what it answers. */
export class Refusal extends Error {
  constructor(readonly outcome: Outcome) {
    super();
  }
}

export function refuse(code: string, figures: Record<string, number> = {}): never {
  throw new Refusal({ code, ...figures });
}

export function checkAmount(amount: number): void {
  if (amount < 1 || amount > 10_000_000) refuse("INVALID_INPUT");
}

export function checkBalance(balance: number, needed: number, debt = 0): void {
  if (balance < needed) {
    refuse("INSUFFICIENT_CREDITS", { balance, needed, ...(debt > 0 && { debt }) });
  }
}

/** Takes what somebody has to have. */
export function pay(account: Account, amount: number): void {
  checkBalance(account.credits, amount, account.debt);
  account.credits -= amount;
}

/** Gives: a debt first, the rest to keep. */
export function receive(account: Account, amount: number): void {
  const paid = Math.min(account.debt, amount);
  account.debt -= paid;
  account.credits += amount - paid;
}

/** Takes whether it is there or not: the rest is owed. */
export function takeBack(account: Account, amount: number): void {
  const taken = Math.min(account.credits, amount);
  account.credits -= taken;
  account.debt += amount - taken;
}
