import assert from "node:assert/strict";
import { isLoopback, sign } from "./callbacks.ts";
import { type Bench, eventually, type Received, startBench, WEBHOOK_KEY } from "./testing.ts";

Deno.test("sign() matches the vector of the vendor's scheme and adds nothing without a key", () => {
  const headers = sign("ee9c2715375b7837f8bb51d641ff5863", 1769670760, WEBHOOK_KEY);
  assert.equal(headers.get("x-webhook-timestamp"), "1769670760");
  assert.equal(headers.get("x-webhook-signature"), "Tq+dxO/br114r/RHdKoL9x2OBe9cOm1Y4J+lDJHyAAA=");
  assert.deepEqual([...sign("id", 1, undefined)], []);
});

Deno.test("isLoopback() knows this machine from others", () => {
  const ours = ["http://127.0.0.1:1/x", "http://localhost/", "https://[::1]/", "http://127.9.9.9/"];
  const others = [
    "http://127.0.0.1.example.com/",
    "http://10.0.0.1/",
    "file:///x",
    "http://localhost.evil/",
  ];
  assert.deepEqual(ours.filter(isLoopback), ours);
  assert.deepEqual(others.filter(isLoopback), []);
});

Deno.test("announce() sends one signed callback with the caller's query", async () => {
  await using bench = await startBench();
  const { id, received: [callback] } = await run(bench, {}, 1);
  assert.ok(callback);
  assert.equal(callback.query, "?g=7");
  assert.ok(isSigned(callback, id));
  const { code, msg, data } = callback.body;
  assert.deepEqual([code, msg], [200, "Playground task completed successfully."]);
  assert.deepEqual([data.taskId, data.state, data.creditsConsumed], [id, "success", 8]);
  assert.ok(data.costTime < 100, "seconds");
  assert.match(JSON.parse(data.resultJson).resultUrls[0], /\/kie\/files\//);
});

Deno.test("announce() has the three documented shapes, and one for failure", async () => {
  await using bench = await startBench();
  const older = await run(bench, { callbacks: { shape: "market_2025" } }, 1);
  const { data } = older.received[0]?.body ?? {};
  assert.deepEqual([data.consumeCredits, typeof data.remainedCredits, data.creditsConsumed], [
    8,
    "number",
    undefined,
  ]);
  const page = await run(bench, { callbacks: { shape: "signature_page" } }, 1);
  assert.deepEqual(page.received[0]?.body, {
    code: 200,
    msg: "Playground task completed successfully.",
    taskId: page.id,
    data: { task_id: page.id, callbackType: "task_completed" },
  });
  const failed = await run(bench, { callbacks: null, fail: { fail_code: "400" } }, 1);
  const body = failed.received[0]?.body;
  assert.deepEqual([body.code, body.msg], [501, "Playground task failed."]);
  assert.deepEqual([body.data.state, body.data.failCode, body.data.resultJson], [
    "fail",
    "400",
    null,
  ]);
});

Deno.test("announce() plays unsigned, stale and wrongly signed callbacks", async () => {
  await using bench = await startBench();
  const none = await run(bench, { callbacks: { signature: "none" } }, 1);
  assert.equal(none.received[0]?.headers.get("x-webhook-signature"), null);
  const wrong = await run(bench, { callbacks: { signature: "wrong_key" } }, 1);
  assert.ok(!isSigned(wrong.received[0], wrong.id));
  const stale = await run(bench, { callbacks: { signature: "stale" } }, 1);
  assert.ok(isSigned(stale.received[0], stale.id));
  const age = Date.now() / 1000 - Number(stale.received[0]?.headers.get("x-webhook-timestamp"));
  assert.ok(age > 3_500 && age < 3_700);
});

Deno.test("announce() sends copies, forgeries before and altered replays after the real one", async () => {
  await using bench = await startBench();
  const plan = { copies: 2, forged: true, altered_replay: true };
  const { id, received } = await run(bench, { callbacks: plan }, 4);
  const [forged, genuine, copy, altered] = received;
  assert.ok(forged && genuine && copy && altered);
  assert.ok(!isSigned(forged, id));
  assert.match(forged.body.data.resultJson, /forged\.png/);
  assert.ok(isSigned(genuine, id));
  assert.deepEqual(copy.body, genuine.body);
  assert.ok(isSigned(altered, id), "the signature does not cover the body");
  assert.deepEqual([altered.body.code, genuine.body.code], [501, 200]);
  const picture = await fetch(`${bench.url}/kie/files/forged.png`);
  assert.equal(picture.headers.get("content-type"), "image/png");
  await picture.body?.cancel();
});

Deno.test("announce() can come before createTask is answered, before the end, late or never", async () => {
  await using bench = await startBench();
  await bench.control({ callbacks: { when: "before_answer" } });
  const early = await bench.create({}, { callBackUrl: bench.callbackUrl });
  assert.equal(bench.received[0]?.body.data.taskId, early);

  await bench.control({
    scale: 1,
    latency: { kind: "fixed", ms: 1_000 },
    callbacks: { when: "before_finish" },
  });
  bench.received.length = 0;
  const claimed = await bench.create({}, { callBackUrl: bench.callbackUrl });
  await eventually(() => bench.received[0]);
  const { data } = await bench.ask("GET", `/kie/api/v1/jobs/recordInfo?taskId=${claimed}`);
  assert.deepEqual([bench.received[0]?.body.data.state, data.state], ["success", "generating"]);

  bench.received.length = 0;
  await bench.control({
    latency: { kind: "fixed", ms: 0 },
    callbacks: { when: "late", late_ms: 300 },
  });
  const late = await bench.finished(await bench.create({}, { callBackUrl: bench.callbackUrl }));
  assert.equal(bench.received.length, 0);
  await eventually(() => bench.received[0]);
  assert.ok(Date.now() - late.completeTime >= 290);

  bench.received.length = 0;
  await bench.control({ callbacks: { when: "never", next: 1 } });
  await bench.finished(await bench.create({}, { callBackUrl: bench.callbackUrl }));
  // The next one does come, and it comes alone.
  const told = await bench.create({}, { callBackUrl: bench.callbackUrl });
  await eventually(() => bench.received[0]);
  assert.deepEqual(bench.received.map(({ body }) => body.data.taskId), [told]);
});

Deno.test("announce() repeats a callback that was not answered with 2xx, four times in all", async () => {
  await using bench = await startBench();
  bench.reply.status = 503;
  const { received } = await run(bench, {}, 4);
  assert.deepEqual(received[3]?.body, received[0]?.body);
  const { tasks } = await eventually(async () => {
    const answer = await bench.ask("GET", `/kie/_tasks?account=${bench.account}`);
    return answer.tasks[0].deliveries.length === 4 ? answer : undefined;
  });
  assert.deepEqual(tasks[0].deliveries.map(({ outcome }: { outcome: number }) => outcome), [
    503,
    503,
    503,
    503,
  ]);
  const { accounts } = await bench.ask("GET", "/kie/_stats");
  const { callbacks_sent, callbacks_failed } = accounts[bench.account];
  assert.deepEqual([callbacks_sent, callbacks_failed], [0, 4]);
});

/** Runs one task under a change and waits for its callbacks. */
async function run(bench: Bench, change: Record<string, unknown>, count: number) {
  await bench.control(change);
  bench.received.length = 0;
  const id = await bench.create({}, { callBackUrl: `${bench.callbackUrl}?g=7` });
  await eventually(() => bench.received.length >= count ? true : undefined);
  return { id, received: [...bench.received] };
}

function isSigned(callback: Received | undefined, taskId: string): boolean {
  const timestamp = Number(callback?.headers.get("x-webhook-timestamp"));
  const expected = sign(taskId, timestamp, WEBHOOK_KEY).get("x-webhook-signature");
  return callback?.headers.get("x-webhook-signature") === expected;
}
