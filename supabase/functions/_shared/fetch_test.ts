import assert from "node:assert/strict";
import { fetchOnce } from "./fetch.ts";

Deno.test("fetchOnce() sends a request once when the connection breaks", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  let arrivals = 0;
  const server = (async () => {
    for await (const connection of listener) {
      arrivals++;
      await connection.read(new Uint8Array(1024));
      connection.close();
    }
  })();
  await assert.rejects(fetchOnce(`http://127.0.0.1:${port}/`, { method: "POST", body: "{}" }));
  listener.close();
  await server;
  assert.equal(arrivals, 1);
});
