import assert from "node:assert/strict";
import { hmac, isEqual } from "./hmac.ts";

Deno.test("hmac() gives the code of RFC 4231, test case 2", async () => {
  const code = await hmac(new TextEncoder().encode("Jefe"), "what do ya want for nothing?");
  assert.equal(
    code.reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), ""),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

Deno.test("isEqual() tells texts apart, whatever they share", () => {
  assert.equal(isEqual("sb_secret_ñ", "sb_secret_ñ"), true);
  assert.equal(isEqual("", ""), true);
  for (const other of ["", "sb_secret_", "sb_secret_a", "sb_secret_bb", "SB_SECRET_B"]) {
    assert.equal(isEqual("sb_secret_b", other), false, other);
  }
});
