import assert from "node:assert/strict";
import { Faults } from "./faults.ts";
import { Change } from "./settings.ts";
import { eventually, startBench } from "./testing.ts";

const CREATE = "/kie/api/v1/jobs/createTask";
const TEXT_TASK = { model: "google/nano-banana", input: { prompt: "A viking" } };

Deno.test("_control refuses unknown fields and contradictions, and names them", async () => {
  await using bench = await startBench();
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ latancy: 3 }, /latancy/],
    [{ create: { kind: "explode" } }, /create\[0\]\.kind/],
    [{ fail: { next: 1, rate: 0.5 } }, /next or rate, not both/],
    [{ account: "sim-a", scale: 0.1 }, /leave out account/],
    [{ fail: { rate: 2 } }, /fail\[0\]\.rate/],
  ];
  for (const [change, message] of cases) {
    const answer = await bench.ask("POST", "/kie/_control", change);
    assert.equal(answer.status, 400);
    assert.match(answer.error, message);
  }
});

Deno.test("_control shows, removes and resets settings", async () => {
  await using bench = await startBench();
  await bench.control({ create: { kind: "html502", next: 2 }, account: "sim-a" });
  assert.equal((await bench.ask("GET", "/kie/_control")).accounts["sim-a"].create[0].next, 2);
  await bench.control({ create: null, account: "sim-a" });
  assert.deepEqual((await bench.ask("GET", "/kie/_control")).accounts["sim-a"], {});
  const { scale, everyone, accounts } = await bench.ask("DELETE", "/kie/_control");
  assert.deepEqual([scale, everyone.latency.min_ms, accounts], [1, 2_000, {}]);
});

Deno.test("Faults.strike() repeats its random decisions from a seed", () => {
  const draw = (seed: number) => {
    const faults = new Faults();
    faults.apply(
      Change.parse({ seed, fail: { rate: 0.5 }, latency: { kind: "long_tail", median_ms: 9_000 } }),
    );
    return Array.from(
      { length: 40 },
      () => [faults.strike("a", "fail") === undefined, faults.drawLatency("a")],
    );
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

Deno.test("Faults.drawLatency() has a median and a long tail", () => {
  const faults = new Faults();
  faults.apply(
    Change.parse({ seed: 1, latency: { kind: "long_tail", median_ms: 10_000, max_ms: 60_000 } }),
  );
  const drawn = Array.from({ length: 2_000 }, () => faults.drawLatency("a")).sort((a, b) => a - b);
  assert.ok(Math.abs((drawn[1_000] ?? 0) - 10_000) < 800);
  assert.ok((drawn[1_980] ?? 0) > 30_000);
  assert.ok((drawn.at(-1) ?? 0) <= 60_000);
});

Deno.test("create faults refuse with every code, for the account they aim at, as often as said", async () => {
  await using bench = await startBench();
  for (const code of [401, 402, 422, 429, 433, 455, 500, 505]) {
    await bench.control({ account: bench.account, create: { kind: "code", code, next: 1 } });
    assert.equal((await bench.ask("POST", CREATE, TEXT_TASK, "sim-other")).code, 200);
    const refused = await bench.ask("POST", CREATE, TEXT_TASK);
    assert.deepEqual([refused.status, refused.code, refused.data], [200, code, null]);
    assert.equal((await bench.ask("POST", CREATE, TEXT_TASK)).code, 200);
  }
  await bench.control({ create: { kind: "code", code: 505, accepted: true, next: 1 } });
  const odd = await bench.ask("POST", CREATE, TEXT_TASK);
  assert.equal(odd.code, 505);
  assert.equal((await bench.finished(odd.data.taskId)).state, "success");
});

Deno.test("create faults lose answers before and after the task was made", async () => {
  await using bench = await startBench();
  const count = async () =>
    (await bench.ask("GET", "/kie/_stats")).accounts[bench.account]?.accepted ?? 0;
  await bench.control({
    create: [{ kind: "drop", next: 1 }, { kind: "drop", accepted: true, next: 1 }],
  });
  await assert.rejects(bench.ask("POST", CREATE, TEXT_TASK), TypeError);
  assert.equal(await count(), 0);
  await assert.rejects(bench.ask("POST", CREATE, TEXT_TASK), TypeError);
  assert.equal(await count(), 1);
  await bench.control({
    create: [{ kind: "html502", next: 1 }, { kind: "slow", ms: 20_000, next: 1 }],
  });
  const page = await fetch(`${bench.url}${CREATE}`, {
    method: "POST",
    headers: { authorization: `Bearer ${bench.key}` },
  });
  assert.equal(page.status, 502);
  assert.match(await page.text(), /<html>/);
  const before = performance.now();
  assert.equal((await bench.ask("POST", CREATE, TEXT_TASK)).code, 200);
  assert.ok(performance.now() - before >= 190);
});

Deno.test("record settings play unknown tasks, skipped states and every form of resultJson", async () => {
  await using bench = await startBench();
  const ask = (id: string) => bench.ask("GET", `/kie/api/v1/jobs/recordInfo?taskId=${id}`);
  await bench.control({
    record: { unknown_ms: 30_000, unknown_as: "404" },
    limits: { queries: 1_000 },
  });
  const young = await bench.create();
  const unknown = await ask(young);
  assert.deepEqual([unknown.code, unknown.msg], [404, "Task not found"]);
  await bench.finished(young);

  await bench.control({ record: { skip_states: true }, latency: { kind: "fixed", ms: 50_000 } });
  const skipping = await bench.create();
  const seen = new Set<string>();
  await eventually(async () => {
    const { data } = await ask(skipping);
    seen.add(data.state);
    return data.state === "success" ? true : undefined;
  });
  assert.deepEqual([...seen], ["waiting", "success"]);
  await bench.control({ latency: { kind: "fixed", ms: 0 } });

  const forms: [string, (value: unknown) => boolean][] = [
    ["object", (value) => Array.isArray((value as { resultUrls: unknown }).resultUrls)],
    ["malformed", (value) => typeof value === "string" && throws(() => JSON.parse(value))],
    ["empty", (value) => value === ""],
    ["null", (value) => value === null],
    ["absent", (value) => value === undefined],
  ];
  for (const [result_json, fits] of forms) {
    await bench.control({ record: { result_json } });
    assert.ok(fits((await bench.finished(await bench.create())).resultJson), result_json);
  }
});

Deno.test("record faults and the query limit refuse recordInfo and spare the task", async () => {
  await using bench = await startBench();
  const id = await bench.create();
  const ask = () => bench.ask("GET", `/kie/api/v1/jobs/recordInfo?taskId=${id}`);
  await bench.control({
    record_faults: [500, 429].map((code) => ({ kind: "code", code, next: 1 })),
  });
  assert.deepEqual([(await ask()).code, (await ask()).code], [500, 429]);
  await bench.finished(id);
  await bench.control({ record_faults: { kind: "drop" } });
  await assert.rejects(ask(), TypeError);
  await bench.control({
    record_faults: null,
    scale: 1,
    limits: { queries: 3, queries_window_ms: 60_000 },
  });
  await eventually(async () => (await ask()).code === 429 ? true : undefined);
});

Deno.test("result faults: dead links, wrong types, no links, too many bytes, stalls", async () => {
  await using bench = await startBench();
  const result = async (results: Record<string, unknown>) => {
    await bench.control({ results });
    const record = await bench.finished(await bench.create());
    assert.equal(record.state, "success");
    return JSON.parse(record.resultJson).resultUrls[0];
  };
  const dead = await fetch(await result({ dies_after_ms: 0 }));
  assert.equal(dead.status, 403);
  await dead.body?.cancel();
  const typed = await fetch(await result({ content_type: "text/html", body: "html" }));
  assert.equal(typed.headers.get("content-type"), "text/html");
  assert.match(await typed.text(), /no picture/);
  assert.equal(await result({ no_urls: true }), undefined);
  const large = await fetch(await result({ oversize_bytes: 3_000_000 }));
  assert.equal((await large.bytes()).length, 3_000_000);

  const stop = new AbortController();
  const stalled = await fetch(await result({ stall: true }), { signal: stop.signal });
  const reader = stalled.body?.getReader();
  assert.ok(((await reader?.read())?.value?.length ?? 0) > 0);
  const rest = reader?.read().then((part) => part.done ? "end" : "more", () => "cut");
  assert.notEqual(await Promise.race([rest, bench.control({}).then(() => "stalled")]), "end");
  stop.abort();
  await rest;
});

Deno.test("fail takes the next N tasks, disabled shuts an account out, a section is for one account", async () => {
  await using bench = await startBench();
  await bench.control({
    account: bench.account,
    fail: { next: 1, fail_code: "400", fail_msg: "content policy" },
  });
  assert.equal((await bench.finished(await bench.create())).failMsg, "content policy");
  assert.equal((await bench.finished(await bench.create())).state, "success");
  await bench.control({ account: bench.account, disabled: true });
  assert.equal((await bench.ask("POST", CREATE, TEXT_TASK)).code, 401);
  assert.equal((await bench.ask("POST", CREATE, TEXT_TASK, "sim-free")).code, 200);
});

function throws(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch {
    return true;
  }
}
