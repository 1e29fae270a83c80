import assert from "node:assert/strict";
import { readConfig } from "./config.ts";
import { serveGateway } from "./gateway.ts";
import { isolatedEnvironment } from "./testing.ts";

/** Serves a gateway whose parts answer with what they were sent. */
async function withGateway(
  env: Record<string, string>,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const config = readConfig({ ...await isolatedEnvironment(), ...env });
  const answer = (service: string) => () => Promise.resolve(Response.json({ service }));
  const server = serveGateway({
    config,
    jwtSecret: "secret",
    settings: new Map([["functions.open.verify_jwt", false]]),
    services: { auth: answer("auth"), rest: answer("rest"), storage: answer("storage") },
    functions: {
      handle: (name, _request, headers) =>
        name === "missing"
          ? undefined
          : Promise.resolve(Response.json({ name, ip: headers.get("x-cabina-client-ip") })),
      started: Promise.resolve(),
      stop: () => Promise.resolve(),
    },
  });
  try {
    await body(config.apiUrl);
  } finally {
    await server.shutdown();
  }
}

const spoofed = { headers: { "x-cabina-client-ip": "203.0.113.9" } };

Deno.test("serveGateway() routes by path and lets pages read the answers", async () => {
  await withGateway({}, async (url) => {
    for (const service of ["auth", "rest", "storage"]) {
      const response = await fetch(`${url}/${service}/v1/anything`);
      assert.equal((await response.json()).service, service);
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
    }
    const preflight = await fetch(`${url}/rest/v1/t`, {
      method: "OPTIONS",
      headers: { "access-control-request-headers": "apikey,x-client-info" },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-headers"), "apikey,x-client-info");
  });
});

Deno.test("serveGateway() answers 404 to what it does not know", async () => {
  await withGateway({}, async (url) => {
    for (const path of ["/index.html", "/realtime/v1/x", "/constructor/v1", "/rest/v2/t"]) {
      const response = await fetch(url + path);
      await response.json();
      assert.equal(response.status, 404, path);
    }
  });
});

Deno.test("serveGateway() tells who comes back to the app that there is none yet", async () => {
  await withGateway({}, async (url) => {
    const response = await fetch(`${url}/?order=1`);
    assert.match(await response.text(), /CABINA_APP_URL/);
    assert.equal(response.status, 200);
  });
});

Deno.test("serveGateway() tells a function the peer's address, not a claimed one", async () => {
  await withGateway({}, async (url) => {
    const response = await fetch(`${url}/functions/v1/open`, spoofed);
    assert.deepEqual(await response.json(), { name: "open", ip: "127.0.0.1" });
  });
  await withGateway({ CABINA_TRUST_TEST_IP: "1" }, async (url) => {
    const claimed = await fetch(`${url}/functions/v1/open`, spoofed);
    assert.equal((await claimed.json()).ip, "203.0.113.9");
    const plain = await fetch(`${url}/functions/v1/open`);
    assert.equal((await plain.json()).ip, "127.0.0.1");
  });
});

Deno.test("serveGateway() wants a token unless the function's settings say otherwise", async () => {
  await withGateway({}, async (url) => {
    const closed = await fetch(`${url}/functions/v1/closed`);
    await closed.json();
    assert.equal(closed.status, 401);
  });
});
