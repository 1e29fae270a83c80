import assert from "node:assert/strict";
import { createBuyer, creditsOfOrder, move, notify, pay } from "./payments.ts";
import { sql, test } from "./stack.ts";

interface State {
  status: string;
  status_detail?: string;
  transaction_amount_refunded?: number;
  /** Credits of 500 that stay; undefined when the state decides nothing. */
  kept?: number;
  follows: string[];
}

/** The gateway's states, and which may follow which. */
const states: Record<string, State> = {
  pending: {
    status: "pending",
    follows: ["in_process", "approved", "rejected", "cancelled"],
  },
  in_process: { status: "in_process", follows: ["approved", "rejected", "cancelled"] },
  authorized: { status: "authorized", follows: ["approved", "cancelled"] },
  approved: {
    status: "approved",
    status_detail: "accredited",
    transaction_amount_refunded: 0,
    kept: 500,
    follows: ["partly", "refunded", "mediation", "disputed"],
  },
  partly: {
    status: "approved",
    status_detail: "partially_refunded",
    transaction_amount_refunded: 1000,
    kept: 375,
    follows: ["refunded", "mediation", "disputed"],
  },
  refunded: {
    status: "refunded",
    status_detail: "refunded",
    transaction_amount_refunded: 4000,
    kept: 0,
    follows: [],
  },
  mediation: { status: "in_mediation", follows: ["approved", "refunded", "disputed"] },
  disputed: {
    status: "charged_back",
    status_detail: "in_process",
    follows: ["settled", "reimbursed"],
  },
  settled: { status: "charged_back", status_detail: "settled", kept: 0, follows: ["reimbursed"] },
  reimbursed: {
    status: "charged_back",
    status_detail: "reimbursed",
    transaction_amount_refunded: 0,
    kept: 500,
    follows: [],
  },
  rejected: { status: "rejected", status_detail: "bank_error", kept: 0, follows: [] },
  cancelled: { status: "cancelled", status_detail: "expired", kept: 0, follows: [] },
};

/** Every life of up to `length` states. */
function lives(length: number): string[][] {
  const found = ["pending", "in_process", "authorized", "approved", "rejected"].map((s) => [s]);
  for (const life of found) {
    if (life.length === length) continue;
    found.push(...states[life.at(-1)!]!.follows.map((next) => [...life, next]));
  }
  return found;
}

function changes({ status, status_detail, transaction_amount_refunded }: State) {
  return {
    status,
    ...(status_detail !== undefined && { status_detail }),
    ...(transaction_amount_refunded !== undefined && { transaction_amount_refunded }),
  };
}

/**
 * Lives through the states of a payment. Each is notified once to three times, and nobody waits for the
 * answers before the next state: what a notification finds at the gateway may be any later state.
 */
async function live(life: string[], salt: number): Promise<void> {
  const { orderId, preferenceId } = await createBuyer();
  const [first, ...rest] = life.map((name) => states[name]!);
  const { status, status_detail } = changes(first!);
  const { id } = await pay(preferenceId, { status, ...(status_detail && { status_detail }) });
  const answers = [notify(id)];
  for (const [place, state] of rest.entries()) {
    // Some are known before the next happens, some are not.
    if ((salt >> place) % 2 === 0) await Promise.all(answers);
    await move(id, changes(state));
    const copies = 1 + (salt + place) % 3;
    answers.push(...Array.from({ length: copies }, () => notify(id)));
  }
  for (const { status } of await Promise.all(answers)) assert.equal(status, 200);

  const credits = await creditsOfOrder(orderId);
  const decided = life.map((name) => states[name]!.kept);
  const last = decided.at(-1);
  // After a state that decides nothing: what was seen of those that do.
  const allowed = last !== undefined
    ? [last]
    : [0, ...decided.filter((kept) => kept !== undefined)];
  assert.ok(allowed.includes(credits), `${life.join(" → ")}: ${credits} of ${allowed}`);
  const [row] = await sql`select status from payment_notifications where mercadopago_id = ${
    String(id)
  }`;
  assert.equal(row!.status, states[life.at(-1)!]!.status, life.join(" → "));
}

test("every life of a payment of up to four states, told late and often, ends as its last state says", async () => {
  const all = lives(4);
  assert.ok(all.length > 60, `${all.length} lives`);
  const queue = all.entries();
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (const [salt, life] of queue) await live(life, salt);
  }));
});

test("a thousand notifications of two hundred payments, 32 at a time, credit each once", async () => {
  const buyers = await Promise.all(Array.from({ length: 20 }, createBuyer));
  const payments: { id: number; orderId: string }[] = [];
  for (const { preferenceId, orderId } of buyers) {
    const made = await Promise.all(Array.from({ length: 10 }, () => pay(preferenceId)));
    payments.push(...made.map(({ id }) => ({ id, orderId })));
  }
  // Copies of one payment lie beside each other, and so meet.
  const queue = payments.flatMap(({ id }) => Array(5).fill(id)).values();
  await Promise.all(Array.from({ length: 32 }, async () => {
    for (const id of queue) assert.equal((await notify(id)).status, 200);
  }));
  for (const { orderId } of buyers) assert.equal(await creditsOfOrder(orderId), 5000);
});
