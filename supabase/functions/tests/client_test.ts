import assert from "node:assert/strict";
import { CabinaError, createCabina, value } from "../../../examples/client/cabina.ts";
import { createEvent, createPerson } from "./fixtures.ts";
import { stack, test } from "./stack.ts";

const project = { apiUrl: stack.api_url, publishableKey: stack.publishable_key };

test("the typed client gives the value of an answer", async () => {
  const { slug } = await createEvent();
  const answer = await value(
    createCabina(project).GET("/event-admin/events/{slug}/gallery", { params: { path: { slug } } }),
  );
  assert.deepEqual(answer.photos, []);
  assert.equal(answer.next_cursor, null);
});

test("the typed client throws a refusal with code, fields and request id", async () => {
  const { token } = await createPerson();
  const cabina = createCabina({ ...project, userToken: () => Promise.resolve(token) });
  const body = { pack_id: "not-an-id" };
  const error = await value(cabina.POST("/mp-webhook/checkout", { body })).catch((error) => error);
  assert.ok(error instanceof CabinaError);
  assert.equal(error.code, "INVALID_INPUT");
  assert.deepEqual(error.details.map(({ field }) => field), ["pack_id"]);
  assert.match(error.requestId ?? "", /^[0-9a-f-]{36}$/);
  assert.match(error.message, /pack_id/);
});

test("the typed client asks for the token before each request", async () => {
  const person = await createPerson();
  const tokens = ["not.a.token", person.token];
  const cabina = createCabina({ ...project, userToken: () => Promise.resolve(tokens.shift()) });
  const look = () =>
    value(cabina.GET("/mp-webhook/orders/{id}", { params: { path: { id: crypto.randomUUID() } } }));
  await assert.rejects(look, { code: "UNAUTHENTICATED" });
  await assert.rejects(look, { code: "ORDER_NOT_FOUND" });
});

Deno.test("the typed client tells when to come again, and survives pages that are no envelope", async () => {
  const busy = new Response('{"success":false,"error":"RATE_LIMITED","message":"Wait."}', {
    status: 429,
    headers: { "retry-after": "7" },
  });
  const refused = { error: await busy.json(), response: busy };
  await assert.rejects(value(Promise.resolve(refused)), { code: "RATE_LIMITED", retryAfter: 7 });
  const page = { error: "<html>Bad gateway</html>", response: new Response("", { status: 502 }) };
  await assert.rejects(value(Promise.resolve(page)), { code: "INTERNAL", message: /Bad gateway/ });
});
