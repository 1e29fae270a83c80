import { Hono } from "hono";
import { z } from "zod";
import type { Provider } from "./routes.ts";
import { Change } from "./settings.ts";
import { describeTask, type TaskState } from "./tasks.ts";

const STATES: TaskState[] = ["waiting", "queuing", "generating", "success", "fail"];

/** What tests and people use to steer the provider and to look inside; no part of the real API. */
export function createControl({ faults, accounts, tasks }: Provider): Hono {
  const app = new Hono();

  app.get("/_control", (c) => c.json(faults.show()));

  app.post("/_control", async (c) => {
    const parsed = Change.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) {
      return c.json(
        { error: `Cannot change the simulator: ${z.prettifyError(parsed.error)}` },
        400,
      );
    }
    const change = parsed.data;
    faults.apply(change);
    if (change.balance !== undefined) accounts.setBalance(change.account, change.balance);
    return c.json(faults.show());
  });

  app.delete("/_control", (c) => {
    faults.reset();
    accounts.setBalance(undefined, faults.default_balance);
    return c.json(faults.show());
  });

  app.get("/_stats", (c) => {
    const all = tasks.list();
    const count = (name: string, state: TaskState) =>
      all.filter((task) => task.account.name === name && task.state === state).length;
    const entries = accounts.all().map((account) => [account.name, {
      ...account.stats(),
      tasks: Object.fromEntries(STATES.map((state) => [state, count(account.name, state)])),
    }]);
    return c.json({ accounts: Object.fromEntries(entries) });
  });

  app.get("/_tasks", (c) => {
    const limit = Number(c.req.query("limit") ?? 50);
    if (!Number.isInteger(limit) || limit < 1) {
      return c.json(
        { error: `limit must be a whole number from 1, not ${c.req.query("limit")}` },
        400,
      );
    }
    const account = c.req.query("account");
    const listed = tasks.list().filter((task) =>
      account === undefined || task.account.name === account
    );
    return c.json({ tasks: listed.slice(0, limit).map(describeTask) });
  });
  return app;
}
