import assert from "node:assert/strict";
import { manifest, sign } from "./signature.ts";

// Computed with the vendor's SDK.
const VECTORS = [
  [
    { id: "123456789", requestId: "req-1", ts: "1742505638683" },
    "6f24864fda0e41fcccdcb041b91ba04df582151e93e9e2f8263e45ba7585fd50",
  ],
  [
    { requestId: "req-1", ts: "1742505638683" },
    "418a565aaf226ba4a90037748b801ff8fc213a9c976d6a69097c102a81b77b88",
  ],
  [
    { id: "123456789", ts: "1742505638683" },
    "b1da3273dc767c81e1e9db1696bb3b8e9253c584eee25d4bdc9b39c2f0e73263",
  ],
] as const;

Deno.test("sign() matches the vendor's vectors, whole and with a part missing", () => {
  for (const [signed, v1] of VECTORS) {
    assert.equal(sign(signed, "s3cret"), `ts=1742505638683,v1=${v1}`);
  }
});

Deno.test("manifest() ends every part with a semicolon and leaves absent ones out", () => {
  assert.equal(manifest({ id: "1", requestId: "r", ts: "2" }), "id:1;request-id:r;ts:2;");
  assert.equal(manifest({ ts: "2" }), "ts:2;");
});
