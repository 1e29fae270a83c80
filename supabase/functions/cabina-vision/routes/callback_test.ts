import assert from "node:assert/strict";
import { isSigned } from "./callback.ts";

// The vector of the provider's formula: Base64(HMAC-SHA256(key, task id + "." + timestamp)).
const key = "kie-test-key";
const id = "ee9c2715375b7837f8bb51d641ff5863";
const timestamp = 1769670760;
const signature = "Tq+dxO/br114r/RHdKoL9x2OBe9cOm1Y4J+lDJHyAAA=";
const headers = (changes: Record<string, string> = {}) =>
  new Headers({
    "x-webhook-timestamp": String(timestamp),
    "x-webhook-signature": signature,
    ...changes,
  });
const now = timestamp * 1000;

Deno.test("isSigned() accepts the provider's signature, within five minutes", async () => {
  assert.equal(await isSigned(headers(), [id, id], key, now), true);
  assert.equal(await isSigned(headers(), [id], key, now + 299_000), true);
  assert.equal(await isSigned(headers(), [id], key, now - 299_000), true);
});

Deno.test("isSigned() refuses what is stale, altered, absent or about another task", async () => {
  assert.equal(await isSigned(headers(), [id], key, now + 301_000), false);
  assert.equal(await isSigned(headers(), [id], "another-key", now), false);
  assert.equal(await isSigned(headers(), ["another-task"], key, now), false);
  assert.equal(
    await isSigned(headers(), [id, "another-task"], key, now),
    false,
  );
  assert.equal(await isSigned(headers(), [], key, now), false);
  assert.equal(
    await isSigned(headers({ "x-webhook-signature": "" }), [id], key, now),
    false,
  );
  assert.equal(
    await isSigned(headers({ "x-webhook-timestamp": "" }), [id], key, now),
    false,
  );
  assert.equal(
    await isSigned(headers({ "x-webhook-timestamp": "soon" }), [id], key, now),
    false,
  );
});
