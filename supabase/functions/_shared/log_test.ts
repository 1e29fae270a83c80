import assert from "node:assert/strict";
import { ApiError } from "./errors.ts";
import { describeError } from "./log.ts";

Deno.test("describeError() tells the cause, also of errors that are plain objects", () => {
  const refused = { code: "42501", message: "permission denied", details: null, hint: null };
  assert.equal(
    describeError(new ApiError("INTERNAL", { cause: refused })),
    "ApiError INTERNAL: INTERNAL (cause: 42501: permission denied)",
  );
  assert.equal(describeError(new TypeError("fetch failed")), "TypeError: fetch failed");
  assert.equal(describeError("text"), "text");
});
