import assert from "node:assert/strict";
import { csvLine } from "./csv.ts";

Deno.test("csvLine() quotes what would break the line", () => {
  assert.equal(csvLine(['a "b"', "c,d", "e\nf", "ñ"]), '"a ""b""","c,d","e\nf",ñ\r\n');
});

Deno.test("csvLine() leaves numbers as they are and null empty", () => {
  assert.equal(csvLine([-5, 0, null]), "-5,0,\r\n");
});

Deno.test("csvLine() lets no text become a formula", () => {
  for (const start of ["=", "+", "-", "@", "\t"]) {
    assert.equal(csvLine([`${start}cmd`]), `'${start}cmd\r\n`);
  }
  assert.equal(csvLine(['=HYPERLINK("x")']), `"'=HYPERLINK(""x"")"\r\n`);
  assert.equal(csvLine(["\r=1"]), `"'\r=1"\r\n`);
});
