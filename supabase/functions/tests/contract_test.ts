import assert from "node:assert/strict";
import { dirname } from "node:path";
import { sign } from "../../../scripts/simulators/kie/callbacks.ts";
import { loadKeys } from "../../../scripts/stack/keys.ts";
import { type Operation, operations } from "./operations.ts";
import { assertContract } from "./contract.ts";
import { createEvent, createPerson } from "./fixtures.ts";
import { guestRequest } from "./photos.ts";
import { callFunction, sql, stack, test } from "./stack.ts";

// What every route of the document keeps, whatever it does. Nothing here may succeed.

/** The address of an operation about things that do not exist. */
function addressOf({ path, parameters }: Operation): string {
  return path.slice(1).replaceAll(/\{(\w+)\}/g, (_, name) => {
    const { schema } = parameters.find((one) => one.in === "path" && one.name === name)!;
    if (schema.type !== "string") return "999999999";
    return schema.format === "uuid" ? crypto.randomUUID() : "nothing";
  });
}

const takes = (operation: Operation, scheme: string) =>
  operation.security.some((one) => scheme in one);
/** Whether an operation answers without any credential. */
const isOpen = ({ security }: Operation) =>
  security.length === 0 || security.some((one) => Object.keys(one).length === 0);
/** Fields are refused by name where no looser contract with a machine's messages says otherwise. */
const isStrict = ({ requestBody }: Operation) =>
  JSON.stringify(requestBody ?? "").includes('"additionalProperties":false');

const nameOf = ({ method, path }: Operation) => `${method} ${path}`;

/** What an operation answers, with the credential that it takes. */
async function ask(
  operation: Operation,
  token: string,
  { query = "", rawBody, headers }: {
    query?: string;
    rawBody?: string;
    headers?: Record<string, string>;
  },
) {
  const isService = takes(operation, "secretKey");
  return await callFunction(`${addressOf(operation)}${query}`, undefined, {
    method: operation.method,
    apikey: isService ? stack.secret_key : stack.publishable_key,
    ...(!isService && { token }),
    ...(rawBody !== undefined && { rawBody }),
    ...(headers && { headers }),
  });
}

Deno.test("the check of answers notices what the document does not name", async () => {
  const health = { success: true, database: "ok", provider_keys: 1, last_sweep_at: null };
  const failure = { success: false, error: "UNAVAILABLE", message: "…", request_id: "…" };
  const answers: Record<string, [Response, string?]> = {
    "an unknown field": [Response.json({ ...health, api_key: "secret" })],
    "a missing field": [Response.json({ ...health, database: undefined })],
    "a field of another type": [Response.json({ ...health, provider_keys: "1" })],
    "an unknown status": [Response.json(health, { status: 202 })],
    "another media type": [new Response("well", { headers: { "content-type": "text/plain" } })],
    "a code of another route": [
      Response.json({ ...failure, error: "EVENT_SOLD_OUT" }, { status: 503 }),
    ],
    "an unknown field of a failure": [Response.json({ ...failure, sql: "…" }, { status: 503 })],
    "a success of no route": [Response.json({ success: true }), "/cabina-vision/nowhere"],
  };
  for (const [what, [answer, path = "/cabina-vision/health"]] of Object.entries(answers)) {
    await assert.rejects(assertContract("GET", path, answer), Error, what);
  }
  await assertContract("GET", "/cabina-vision/health", Response.json(failure, { status: 503 }));
});

test("who brings no credential is 401 wherever one is needed", async () => {
  for (const operation of operations.filter((one) => !isOpen(one))) {
    const { status, body } = await callFunction(addressOf(operation), undefined, {
      method: operation.method,
      apikey: null,
    });
    assert.deepEqual([status, body.error], [401, "UNAUTHENTICATED"], nameOf(operation));
  }
});

test("who brings a bad credential is 401 wherever one is looked at", async () => {
  for (const operation of operations.filter(({ security }) => security.length > 0)) {
    if (operation.path === "/event-admin/events/{id}") continue; // the card beside it looks at none
    const { status, body } = await callFunction(addressOf(operation), undefined, {
      method: operation.method,
      token: "not.a.token",
    });
    assert.deepEqual([status, body.error], [401, "UNAUTHENTICATED"], nameOf(operation));
  }
});

test("the publishable key opens no route of our own services", async () => {
  const internal = operations.filter((one) => takes(one, "secretKey"));
  assert.equal(internal.length, 2);
  for (const operation of internal) {
    const { status, body } = await callFunction(addressOf(operation), undefined, {
      method: operation.method,
    });
    assert.deepEqual([status, body.error], [403, "FORBIDDEN"], nameOf(operation));
  }
});

test("a person without a role gets nothing from any route of staff", async () => {
  const { token } = await createPerson();
  for (const operation of operations.filter(({ path }) => path.startsWith("/event-admin/"))) {
    // To end a PIN session takes its token, to accept an invitation nothing but an account.
    if (isOpen(operation) || /session$|accept$/.test(operation.path)) continue;
    const { status } = await ask(operation, token, operation.requestBody ? { rawBody: "{}" } : {});
    assert.ok([400, 403, 404].includes(status), `${nameOf(operation)} answered ${status}`);
  }
});

test("an unknown parameter is refused by its name", async () => {
  const { token } = await createPerson();
  for (const operation of operations.filter((one) => !one.path.match(/callback$|^\/mp-webhook$/))) {
    const { status, body } = await ask(operation, token, { query: "?surprise=1" });
    assert.deepEqual([status, body.error], [400, "INVALID_INPUT"], nameOf(operation));
    assert.ok(body.details.some(({ field }: { field: string }) => field === "surprise"));
  }
});

test("an unknown field is refused by its name", async () => {
  const { token } = await createPerson();
  const strict = operations.filter(isStrict);
  assert.ok(strict.length > 20);
  for (const operation of strict) {
    const { status, body } = await ask(operation, token, { rawBody: '{"surprise":1}' });
    assert.deepEqual([status, body.error], [400, "INVALID_INPUT"], nameOf(operation));
    assert.ok(
      body.details.some(({ field }: { field: string }) => field === "surprise"),
      `${nameOf(operation)}: ${JSON.stringify(body.details)}`,
    );
  }
});

test("a body that is no JSON object is refused as what it is", async () => {
  const { token } = await createPerson();
  const cases: [string, string, number][] = [
    ["{", "application/json", 400],
    ["[]", "application/json", 400],
    ["a=1", "application/x-www-form-urlencoded", 415],
  ];
  for (const operation of operations.filter(({ requestBody }) => requestBody)) {
    for (const [rawBody, type, expected] of cases) {
      const { status } = await ask(operation, token, {
        rawBody,
        headers: { "content-type": type },
      });
      assert.equal(status, expected, `${nameOf(operation)} with ${rawBody}`);
    }
  }
});

test("a method that a path has not is 405 and names those that it has", async () => {
  for (const path of new Set(operations.map((one) => one.path))) {
    const known = operations.filter((one) => one.path === path);
    const method = ["PUT", "DELETE", "GET"].find((name) =>
      !known.some((one) => one.method === name)
    )!;
    const answer = await callFunction(addressOf(known.at(-1)!), undefined, { method });
    assert.deepEqual([answer.status, answer.body.error], [405, "METHOD_NOT_ALLOWED"], path);
    for (const one of known) {
      assert.ok(answer.headers.get("allow")?.includes(one.method), nameOf(one));
    }
  }
});

test("an id that is no UUID is nothing's", async () => {
  const { token } = await createPerson();
  const withId = operations.filter(({ parameters, path }) =>
    path !== "/event-admin/events/{id}" &&
    parameters.some((one) => one.in === "path" && one.schema.format === "uuid")
  );
  assert.ok(withId.length > 10);
  for (const operation of withId) {
    const { status } = await callFunction(
      operation.path.slice(1).replace("{id}", "1"),
      undefined,
      { method: operation.method, token },
    );
    assert.ok([404, 405].includes(status), `${nameOf(operation)} answered ${status}`);
  }
});

// The outside's machines send these in other tests; here the answers are looked at.

test("the provider's callback is answered at once, also when it comes again", async () => {
  const event = await createEvent();
  const request = await guestRequest(event.slug, { wait: 20 });
  const { body: { generation_id } } = await callFunction("cabina-vision", request);
  const [task] = await sql`
    select task_id, api_key from private.generation_attempts
    join api_key_pool on api_key_pool.id = api_key_id where generation_id = ${generation_id}`;
  const record = await fetch(
    `${stack.sim_url}/kie/api/v1/jobs/recordInfo?taskId=${task!.task_id}`,
    { headers: { authorization: `Bearer ${task!.api_key}` } },
  );
  const { callBackUrl } = JSON.parse((await record.json()).data.param);
  const { kieWebhookKey } = await loadKeys(dirname(Deno.env.get("CABINA_STACK")!));
  const signature = sign(task!.task_id, Math.floor(Date.now() / 1000), kieWebhookKey);
  const again = await callFunction(`cabina-vision/callback${new URL(callBackUrl).search}`, {
    data: { taskId: task!.task_id },
  }, { apikey: null, headers: Object.fromEntries(signature) });
  assert.deepEqual([again.status, again.body], [200, { success: true, received: true }]);
});

test("a notification about no payment is taken and nothing else", async () => {
  const answer = await callFunction("mp-webhook?topic=merchant_order&id=1", {}, { apikey: null });
  assert.deepEqual([answer.status, answer.body], [200, { success: true }]);
});
