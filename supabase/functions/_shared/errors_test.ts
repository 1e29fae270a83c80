import assert from "node:assert/strict";
import { languageOf, messageOf } from "./errors.ts";

Deno.test("languageOf() picks the preferred language that messages exist in", () => {
  const cases: [string | null, string][] = [
    [null, "es"],
    ["", "es"],
    ["en", "en"],
    ["pt-BR,pt;q=0.9,en;q=0.8", "pt"],
    ["fr-FR, en;q=0.3, pt;q=0.7", "pt"],
    ["en;q=0, pt;q=0.1", "pt"],
    ["zz", "es"],
  ];
  for (const [header, expected] of cases) {
    assert.equal(languageOf(header), expected, String(header));
  }
});

Deno.test("messageOf() has a sentence in each language", () => {
  assert.equal(messageOf("EVENT_ENDED", "es"), "El evento ya terminó.");
  assert.equal(messageOf("EVENT_ENDED", "en"), "The event has ended.");
  assert.equal(messageOf("EVENT_ENDED", "pt"), "O evento já terminou.");
});
