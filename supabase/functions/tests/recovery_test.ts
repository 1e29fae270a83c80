import assert from "node:assert/strict";
import { createEvent, creditsUsed } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { callFunction, controlProvider, eventually, sql, stack, sweep, test } from "./stack.ts";

/** Begins a photo whose callbacks never come. */
async function beginWithoutCallback(eventSlug: string): Promise<string> {
  const { status, body } = await callFunction("cabina-vision", await guestRequest(eventSlug));
  assert.equal(status, 202);
  return body.generation_id;
}

/** Sweeps until the row says that the generation is over; nobody polls `check`. */
function sweptToTheEnd(generationId: string) {
  return eventually(`the sweeper to finish ${generationId}`, async () => {
    await sql`update private.generation_attempts set next_check_at = now() where generation_id = ${generationId}`;
    assert.equal((await sweep()).status, 200);
    const [row] =
      await sql`select status, error_code, credits_charged from generations where id = ${generationId}`;
    return ["succeeded", "failed"].includes(row!.status) && row;
  });
}

/** Whether the provider has the picture of a generation, by its own record. */
async function isMadeByProvider(generationId: string): Promise<boolean> {
  const [task] = await sql`
    select task_id, api_key from private.generation_attempts
    join api_key_pool on api_key_pool.id = api_key_id where generation_id = ${generationId}`;
  if (!task?.task_id) return false;
  const record = await fetch(`${stack.sim_url}/kie/api/v1/jobs/recordInfo?taskId=${task.task_id}`, {
    headers: { authorization: `Bearer ${task.api_key}` },
  });
  return (await record.json()).data?.state === "success";
}

test("the callback alone finishes a photo", async () => {
  const event = await createEvent();
  const { body } = await callFunction("cabina-vision", await guestRequest(event.slug));
  await sql`update private.generation_attempts set next_check_at = 'infinity' where generation_id = ${body.generation_id}`;
  await eventually("the callback", async () => {
    const [row] = await sql`select status from generations where id = ${body.generation_id}`;
    return row!.status === "succeeded";
  });
});

test("the sweeper alone finishes a photo whose callback never came", async () => {
  await controlProvider({ callbacks: { when: "never" } });
  try {
    const event = await createEvent();
    const row = await sweptToTheEnd(await beginWithoutCallback(event.slug));
    assert.equal(row!.status, "succeeded");
    assert.equal(await creditsUsed(event.id), 1);
  } finally {
    await controlProvider();
  }
});

test("a create whose answer was lost is not repeated at once, but is made in the end", async () => {
  await controlProvider({ create: { kind: "drop", next: 1 } });
  try {
    const event = await createEvent();
    const id = await beginWithoutCallback(event.slug);
    const attempts = () =>
      sql`select status from private.generation_attempts where generation_id = ${id} order by attempt`;
    await eventually("the claim", async () => (await attempts()).length === 1);
    await sweep();
    assert.deepEqual(
      (await attempts()).map((a) => a.status),
      ["claimed"],
      "its callback may still come",
    );

    await sql`
      update private.generation_attempts set claimed_at = now() - interval '3 minutes'
      where generation_id = ${id}`;
    assert.equal((await sweptToTheEnd(id))!.status, "succeeded");
    assert.deepEqual((await attempts()).map((a) => a.status), ["abandoned", "succeeded"]);
    assert.equal(await creditsUsed(event.id), 1);
  } finally {
    await controlProvider();
  }
});

test("a task whose id never reached us is recovered by its callback", async () => {
  await controlProvider({ create: { kind: "drop", accepted: true, next: 1 } });
  try {
    const event = await createEvent();
    const id = await beginWithoutCallback(event.slug);
    await eventually("the callback", async () => {
      const [row] = await sql`select status from generations where id = ${id}`;
      return row!.status === "succeeded";
    });
    const attempts =
      await sql`select status, task_id from private.generation_attempts where generation_id = ${id}`;
    assert.deepEqual([attempts.length, attempts[0]!.status], [1, "succeeded"]);
    assert.notEqual(attempts[0]!.task_id, null);
  } finally {
    await controlProvider();
  }
});

test("past its deadline a photo is refunded; one that comes later is free", async () => {
  await controlProvider({ callbacks: { when: "never" } });
  try {
    const event = await createEvent();
    const id = await beginWithoutCallback(event.slug);
    await eventually("the picture at the provider", () => isMadeByProvider(id));
    await sql`update private.generation_attempts set next_check_at = 'infinity' where generation_id = ${id}`;
    await sql`update generations set created_at = now() - interval '16 minutes' where id = ${id}`;
    await sweep();
    const failed = await callFunction("cabina-vision", { action: "check", generation_id: id });
    assert.deepEqual([failed.body.state, failed.body.error, failed.body.refunded], [
      "fail",
      "GENERATION_TIMED_OUT",
      true,
    ]);
    assert.equal(await creditsUsed(event.id), 0);

    await eventually("the late picture", async () => {
      await sql`update private.generation_attempts set next_check_at = now() where generation_id = ${id}`;
      await sweep();
      const late = await callFunction("cabina-vision", { action: "check", generation_id: id });
      return late.body.state === "success" && late.body.refunded === true;
    });
    assert.equal(await creditsUsed(event.id), 0);
  } finally {
    await controlProvider();
  }
});

test("a forged callback is refused and changes nothing", async () => {
  await controlProvider({ callbacks: { when: "never" }, latency: { kind: "fixed", ms: 600000 } });
  try {
    const event = await createEvent();
    const id = await beginWithoutCallback(event.slug);
    const status = async () =>
      (await sql`select status from generations where id = ${id}`)[0]!.status;
    await eventually("the dispatch", async () => await status() === "processing");
    const query = new URLSearchParams({ generation: id, attempt: "1", token: "0".repeat(48) });
    const forged = await callFunction(`cabina-vision/callback?${query}`, { taskId: "x" }, {
      apikey: null,
    });
    assert.deepEqual([forged.status, forged.body.error], [401, "UNAUTHENTICATED"]);
    assert.equal(await status(), "processing");
  } finally {
    await controlProvider();
  }
});

test("health tells when nothing has swept for two minutes", async () => {
  await sweep();
  const healthy = await callFunction("cabina-vision/health", undefined, {
    method: "GET",
    apikey: null,
  });
  assert.equal(healthy.status, 200);
  assert.equal(healthy.body.database, "ok");
  assert.ok(healthy.body.provider_keys > 0);
  assert.ok(Date.parse(healthy.body.last_sweep_at) > Date.now() - 60_000);
});
