import assert from "node:assert/strict";
import { Limiter, WindowCounter } from "./limiter.ts";

Deno.test("Limiter.pass() drops what exceeds any window, and dropped requests cost nothing", () => {
  const limiter = new Limiter();
  const passed = (at: number) => limiter.pass(at, 2, 10_000);
  assert.deepEqual([passed(0), passed(9_000), passed(9_500), passed(9_999)], [
    true,
    true,
    false,
    false,
  ]);
  assert.equal(passed(10_000), true);
  assert.equal(passed(18_999), false);
  assert.equal(passed(19_000), true);
});

Deno.test("WindowCounter.report() tells offered from used slots", () => {
  const counter = new WindowCounter();
  for (const at of [500, 600, 20_600]) counter.count(at, 10_000);
  assert.deepEqual(counter.report(20), { offered: 60, used: 3, windows: [2, 0, 1] });
});
