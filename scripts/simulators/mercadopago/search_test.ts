import assert from "node:assert/strict";
import { eventually } from "../kie/testing.ts";
import { type Bench, startBench } from "./testing.ts";

Deno.test("search finds payments by reference, in order, a page at a time", async () => {
  await using bench = await startBench();
  const { id: preference_id } = await bench.prefer({ external_reference: "many" });
  const ids: number[] = [];
  for (let index = 0; index < 5; index += 1) ids.push((await bench.pay({ preference_id })).id);
  await bench.pay();
  assert.deepEqual(await found(bench, "external_reference=many"), [...ids].reverse());
  const up = "external_reference=many&sort=id&criteria=asc";
  assert.deepEqual(await found(bench, up), ids);
  assert.deepEqual(await found(bench, `${up}&limit=2&offset=4`), ids.slice(4));
  const { body } = await bench.ask("GET", `/v1/payments/search?${up}&limit=2&offset=1`);
  assert.deepEqual(body.paging, { total: 5, limit: 2, offset: 1 });
  assert.equal(body.results[0].external_reference, "many");
  await bench.control({ status: "refunded", notify: false }, `/payments/${ids[0]}`);
  const byChange = "external_reference=many&sort=date_last_updated&limit=1";
  assert.deepEqual(await found(bench, byChange), [ids[0]]);
});

Deno.test("search keeps to a range of dates, and to the last 12 months", async () => {
  await using bench = await startBench();
  const day = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  const made = async (days: number, status = "approved") =>
    (await bench.pay({ date_created: day(days), status })).id;
  const [ancient, old, recent, waiting] = [
    await made(400),
    await made(40),
    await made(2),
    await made(2, "pending"),
  ];
  const all = await found(bench, "");
  assert.deepEqual([all.includes(ancient), all.length], [false, 3]);
  const between = (range: string, begin: string, end: string) =>
    found(bench, `${new URLSearchParams({ range, begin_date: begin, end_date: end })}&sort=id`);
  assert.deepEqual(await between("date_created", day(50), day(30)), [old]);
  assert.deepEqual(await between("date_created", "NOW-5DAYS", "NOW"), [waiting, recent]);
  assert.deepEqual(await between("date_approved", day(5), day(1)), [recent]);
});

Deno.test("search refuses with the documented codes", async () => {
  await using bench = await startBench();
  const cases = [
    ["limit=101", 1000],
    ["limit=-1", 1000],
    ["offset=9999", 1000],
    ["range=date_created&begin_date=yesterday", 1001],
    ["range=size&begin_date=NOW", 1001],
    ["sort=size", 1003],
    ["criteria=down", 1004],
  ] as const;
  for (const [query, code] of cases) {
    const { status, body } = await bench.ask("GET", `/v1/payments/search?${query}`);
    assert.deepEqual([status, body.cause[0].code], [400, code], query);
  }
});

Deno.test("search can lag behind a new payment", async () => {
  await using bench = await startBench();
  await bench.control({ search_lag_ms: 600_000 });
  const { id } = await bench.pay();
  assert.deepEqual(await found(bench, ""), []);
  assert.equal((await bench.ask("GET", `/v1/payments/${id}`)).status, 200);
  await bench.control({ search_lag_ms: 50 });
  await eventually(async () => (await found(bench, "")).includes(id) ? true : undefined);
});

async function found(bench: Bench, query: string): Promise<number[]> {
  const { body } = await bench.ask("GET", `/v1/payments/search?${query}`);
  return body.results.map(({ id }: { id: number }) => id);
}
