import assert from "node:assert/strict";
import { ApiError } from "./errors.ts";
import { deleteUser, fetchAsService } from "./service.ts";

/** Runs a test against a project that answers everything with this status. */
async function withProject(status: number, body: (url: string) => Promise<void>) {
  const requests: { method: string; path: string; headers: Headers; body: string }[] = [];
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
  const server = Deno.serve(options, async (request) => {
    const { method, url, headers } = request;
    requests.push({ method, path: new URL(url).pathname, headers, body: await request.text() });
    return new Response(null, { status });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  Deno.env.set("SUPABASE_URL", url);
  Deno.env.set("SUPABASE_SECRET_KEYS", '{"default":"sb_secret_test"}');
  try {
    await body(url);
  } finally {
    await server.shutdown();
  }
  return requests;
}

Deno.test("fetchAsService() asks with the secret key, and leaves the rest as it is", async () => {
  const headers = { "x-request-id": "request-1", authorization: "Bearer of-somebody" };
  const [request] = await withProject(200, async (url) => {
    const init = { method: "POST", headers, body: '{"a":"ñ"}' };
    await (await fetchAsService(`${url}/rest/v1/rpc/x`, init)).body?.cancel();
  });
  assert.equal(request?.body, '{"a":"ñ"}');
  assert.equal(request?.headers.get("apikey"), "sb_secret_test");
  assert.equal(request?.headers.get("authorization"), "Bearer sb_secret_test");
  assert.equal(request?.headers.get("x-request-id"), "request-1");
});

Deno.test("deleteUser() deletes an account that is there or was, and says when it cannot", async () => {
  for (const status of [200, 404]) {
    const requests = await withProject(status, () => deleteUser("some-id"));
    assert.deepEqual(
      requests.map(({ method, path }) => [method, path]),
      [["DELETE", "/auth/v1/admin/users/some-id"]],
    );
  }
  const isUnavailable = (error: unknown) =>
    error instanceof ApiError && error.code === "UNAVAILABLE";
  await withProject(500, () => assert.rejects(deleteUser("some-id"), isUnavailable));
  await assert.rejects(deleteUser("some-id"), isUnavailable, "nobody listens any more");
});
