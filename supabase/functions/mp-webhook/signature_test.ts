import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { isSigned } from "./signature.ts";

const SECRET = "s3cret";
const NOW = 1742505638683;

function sign(manifest: string, secret = SECRET): string {
  return createHmac("sha256", secret).update(manifest).digest("hex");
}

function signed(
  { id = "123456789", requestId = "req-1", ts = String(NOW) } = {},
) {
  return {
    xSignature: `ts=${ts},v1=${sign(`id:${id};request-id:${requestId};ts:${ts};`)}`,
    xRequestId: requestId,
    dataId: id,
  };
}

Deno.test("isSigned() accepts the vectors of the fact sheet: all parts, without id, without request id", () => {
  const vectors = [
    [
      "123456789",
      "req-1",
      "6f24864fda0e41fcccdcb041b91ba04df582151e93e9e2f8263e45ba7585fd50",
    ],
    [
      undefined,
      "req-1",
      "418a565aaf226ba4a90037748b801ff8fc213a9c976d6a69097c102a81b77b88",
    ],
    [
      "123456789",
      undefined,
      "b1da3273dc767c81e1e9db1696bb3b8e9253c584eee25d4bdc9b39c2f0e73263",
    ],
  ] as const;
  for (const [dataId, xRequestId, hash] of vectors) {
    const xSignature = `ts=${NOW},v1=${hash}`;
    assert.ok(
      isSigned({ xSignature, xRequestId, dataId }, SECRET, NOW),
      String(dataId),
    );
  }
});

Deno.test("isSigned() takes ten digits for seconds and thirteen for milliseconds", () => {
  assert.ok(
    isSigned(signed({ ts: String(Math.floor(NOW / 1000)) }), SECRET, NOW),
  );
  assert.ok(!isSigned(signed({ ts: "17425056386" }), SECRET, NOW));
});

Deno.test("isSigned() allows repetitions that are days late, not ones from another year or the future", () => {
  const day = 24 * 3600_000;
  assert.ok(isSigned(signed(), SECRET, NOW + 6 * day));
  assert.ok(!isSigned(signed(), SECRET, NOW + 8 * day));
  assert.ok(!isSigned(signed(), SECRET, NOW - 3600_000));
});

Deno.test("isSigned() tries the id as it came, then in lower case", () => {
  assert.ok(
    isSigned({ ...signed({ id: "ord01j" }), dataId: "ORD01J" }, SECRET, NOW),
  );
  assert.ok(isSigned(signed({ id: "ORD01J" }), SECRET, NOW));
  assert.ok(
    !isSigned({ ...signed({ id: "ORD01J" }), dataId: "ord01j" }, SECRET, NOW),
  );
});

Deno.test("isSigned() refuses what was not signed so, or not at all", () => {
  const good = signed();
  const forgeries = {
    "another id": { ...good, dataId: "123456780" },
    "no id": { ...good, dataId: undefined },
    "another request id": { ...good, xRequestId: "req-2" },
    "no signature": { ...good, xSignature: undefined },
    "an empty signature": { ...good, xSignature: "" },
    "another time": {
      ...good,
      xSignature: good.xSignature.replace("683,", "684,"),
    },
    "no time": { ...good, xSignature: good.xSignature.replace(/ts=\d+,/, "") },
    "half a hash": { ...good, xSignature: good.xSignature.slice(0, -8) },
    "no hash": { ...good, xSignature: `ts=${NOW}` },
    "another version": {
      ...good,
      xSignature: good.xSignature.replace("v1=", "v0="),
    },
  };
  for (const [name, forged] of Object.entries(forgeries)) {
    assert.ok(!isSigned(forged, SECRET, NOW), name);
  }
  assert.ok(!isSigned(good, "another secret", NOW));
  assert.ok(!isSigned(good, "", NOW));
});
