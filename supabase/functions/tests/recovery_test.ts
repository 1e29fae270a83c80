import assert from "node:assert/strict";
import { assertAuditEmpty, createEvent, creditsUsed, finished, guestRequest } from "./fixtures.ts";
import { callFunction, controlProvider, eventually, sql, sweep, test } from "./stack.ts";

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
  await controlProvider({ callbacks: { mode: "missing" } });
  try {
    const event = await createEvent();
    const row = await sweptToTheEnd(await beginWithoutCallback(event.slug));
    assert.equal(row!.status, "succeeded");
    assert.equal(await creditsUsed(event.id), 1);
  } finally {
    await controlProvider();
  }
});

test("a claim whose process died goes back to the queue and is made", async () => {
  const event = await createEvent();
  const id = await beginWithoutCallback(event.slug);
  await eventually("the dispatch", async () => {
    const [row] =
      await sql`select count(*)::int from private.generation_attempts where generation_id = ${id}`;
    return row!.count === 1;
  });
  await finished(id);
  // As if the process had been killed between claim and submission, long enough ago.
  await sql`update generations set status = 'processing', succeeded_at = null, image_url = null where id = ${id}`;
  await sql`
    update private.generation_attempts
    set status = 'claimed', claimed_at = now() - interval '3 minutes', finished_at = null, task_id = null
    where generation_id = ${id}`;
  const row = await sweptToTheEnd(id);
  assert.equal(row!.status, "succeeded");
  const attempts =
    await sql`select status from private.generation_attempts where generation_id = ${id} order by attempt`;
  assert.deepEqual(attempts.map((a) => a.status), ["abandoned", "succeeded"]);
});

test("past its deadline a photo is refunded; one that comes later is free", async () => {
  await controlProvider({ callbacks: { mode: "missing" } });
  try {
    const event = await createEvent();
    const id = await beginWithoutCallback(event.slug);
    await eventually("the submission", async () => {
      const [row] =
        await sql`select status from private.generation_attempts where generation_id = ${id}`;
      return row?.status === "submitted";
    });
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
    await assertAuditEmpty();
  } finally {
    await controlProvider();
  }
});

test("a forged callback is refused and changes nothing", async () => {
  await controlProvider({ callbacks: { mode: "missing" }, latency: { mode: "fixed", ms: 60000 } });
  try {
    const event = await createEvent();
    const id = await beginWithoutCallback(event.slug);
    const query = new URLSearchParams({ generation: id, attempt: "1", token: "0".repeat(48) });
    const forged = await callFunction(`cabina-vision/callback?${query}`, { taskId: "x" }, {
      apikey: null,
    });
    assert.deepEqual([forged.status, forged.body.error], [401, "UNAUTHENTICATED"]);
    const [row] = await sql`select status from generations where id = ${id}`;
    assert.equal(row!.status, "processing");
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
