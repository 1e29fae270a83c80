import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { type Command, commands, OPENING } from "./credit_model/commands.ts";
import { createStyles, CreditDatabase } from "./credit_model/database.ts";
import { CreditModel } from "./credit_model/model.ts";
import { stack, test } from "./stack.ts";

const RUNS = 200;
const COMMANDS = 50;
const seed = Number(Deno.env.get("CABINA_SEED") ?? Date.now() % 2 ** 31);

test(`${RUNS} random runs of ${COMMANDS} commands end as in a plain model of the rules (CABINA_SEED=${seed})`, async () => {
  // One connection, so that each command is answered before the next.
  const sql = postgres(stack.db_url, { max: 1, onnotice: () => {} });
  try {
    await createStyles(sql);
    await fc.assert(
      fc.asyncProperty(
        commands(COMMANDS),
        (given) => run(sql, [...OPENING, ...given.filter((command) => command !== null)]),
      ),
      { numRuns: RUNS, seed },
    );
  } finally {
    await sql.end();
  }
});

/** Gives the commands to the model and to the database: every answer and every balance must agree. */
async function run(sql: postgres.Sql, given: Command[]): Promise<void> {
  const model = new CreditModel();
  const database = await CreditDatabase.create(sql);
  for (const [place, command] of given.entries()) {
    const name = `command ${place + 1} of ${given.length}, ${JSON.stringify(command)}`;
    const [outcome, balances] = await Promise.all([database.perform(command), database.balances()]);
    assert.deepEqual(outcome, model.apply(command), `${name}: the answer`);
    assert.deepEqual(balances, model.balances(), `${name}: the balances`);
  }
  await database.emptyQueue();
}
