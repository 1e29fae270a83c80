import assert from "node:assert/strict";
import { fetchOnce, fetchOnceAnew } from "./fetch.ts";

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

Deno.test("fetchOnceAnew() is not harmed by a connection that is closed after its first request", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const address = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`;
  const ask = async (send: typeof fetchOnce) => {
    const response = await send(address, { method: "POST", body: "{}" });
    return await response.text();
  };
  const server = (async () => {
    for await (const connection of listener) void answerFirst(connection);
  })();
  assert.equal(await ask(fetchOnceAnew), "ok");
  assert.equal(await ask(fetchOnceAnew), "ok");
  assert.equal(await ask(fetchOnce), "ok");
  await assert.rejects(ask(fetchOnce), "this server does close");
  assert.equal(await ask(fetchOnceAnew), "ok");
  listener.close();
  await server;
});

/** Answers the first request on a connection as if more were welcome, and hangs up on the second. */
async function answerFirst(connection: Deno.Conn): Promise<void> {
  let request = "";
  const buffer = new Uint8Array(4096);
  while (!request.endsWith("0\r\n\r\n")) {
    const length = await connection.read(buffer);
    if (length === null) return connection.close();
    request += new TextDecoder().decode(buffer.subarray(0, length));
  }
  await connection.write(
    new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
  );
  await connection.read(buffer);
  connection.close();
}
