// The process dies: at each numbered point of docs/generations.md, and at moments that nobody chose. Whoever goes
// on afterwards is whoever there is in life: the guest who asks again, the provider's callback, the sweeper.
import assert from "node:assert/strict";
import type { CrashPoint } from "../_shared/crash_point.ts";
import { type Crashable, startCrashable } from "./crashable.ts";
import { findProcess } from "../tests/process_usage.ts";
import { changeProvider } from "../tests/provider_simulator.ts";

const POINTS: CrashPoint[] = [
  "1-photo-stored",
  "2-begun",
  "3-claimed",
  "4-accepted",
  "5-recorded",
  "6-callback-verified",
  "7-looked-up",
  "8-half-copied",
  "9-copied",
  "10-completed",
  "11-file-removed",
  "12-database-swept",
  "13-message-sent",
];
const GUESTS = 20;
const KILLS = 5;

Deno.test({
  name: "wherever the process dies, a photo is made, paid and told of once",
  // The connections to the stack outlive the steps.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const stack = await startCrashable();
    try {
      for (const point of POINTS) {
        await t.step(`at ${point}`, async () => {
          const died = await stack.dieAt(point);
          const guest = await stack.makePhoto();
          await died();
          assert.equal(guest.state, "success");
          assert.deepEqual(
            guest.statuses.filter((status) => ![200, 202, 502].includes(status)),
            [],
            "a guest is answered, or told that nobody could",
          );
          // Before its answer, a request goes down with the process, and the same request is served by the next.
          if (point === "1-photo-stored" || point === "2-begun") {
            assert.deepEqual(guest.statuses.slice(0, 2), [502, 202]);
          }
          await stack.assertSound([guest]);
        });
      }
      await t.step(
        "in the copy of a try that was given up, while the next one is under way",
        async () => {
          // The answer is lost, and the callback comes when another try was sent.
          await changeProvider(stack.stack.info.sim_url, {
            create: { kind: "html502", accepted: true, next: 1 },
            latency: { kind: "fixed", ms: 40_000 },
          });
          const died = await stack.dieAt("8-half-copied");
          const guest = await stack.makePhoto();
          await died();
          await changeProvider(stack.stack.info.sim_url, { create: null, latency: null });
          assert.equal(guest.state, "success");
          await stack.assertSound([guest]);
        },
      );
      await t.step({
        name: `${KILLS} times while ${GUESTS} guests wait`,
        // Elsewhere there is no way to find the process.
        ignore: Deno.build.os !== "linux",
        fn: () => killAmongGuests(stack),
      });
    } finally {
      await stack.stop();
    }
  },
});

async function killAmongGuests(stack: Crashable): Promise<void> {
  const guests = Array.from({ length: GUESTS }, async (_, i) => {
    await pause(i * 100);
    return await stack.makePhoto();
  });
  const [made] = await Promise.all([Promise.all(guests), kill(stack)]);
  assert.deepEqual(made.filter(({ state }) => state !== "success"), []);
  await stack.assertSound(made, KILLS);
}

async function kill(stack: Crashable): Promise<void> {
  for (let i = 0; i < KILLS; i++) {
    await pause(Math.random() * 700);
    const process = await findProcess("cabina-vision", stack.apiUrl);
    Deno.kill(Number(process), "SIGKILL");
    await stack.isBack();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
