import assert from "node:assert/strict";
import { kindOfKey, requireSecretKey } from "./api_keys.ts";
import { MissingVariableError } from "./env.ts";

/** Sets the variables of keys; those not named are absent. */
function setKeys(variables: Record<string, string>): void {
  for (const kind of ["PUBLISHABLE", "SECRET"]) {
    for (const name of [`SUPABASE_${kind}_KEY`, `SUPABASE_${kind}_KEYS`]) Deno.env.delete(name);
  }
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
}

Deno.test("kindOfKey() knows every key of the project by its whole text", () => {
  setKeys({
    SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_a","web":"sb_publishable_b"}',
    SUPABASE_SECRET_KEYS: '{"default":"","jobs":"sb_secret_a"}',
  });
  assert.equal(kindOfKey("sb_publishable_a"), "publishable");
  assert.equal(kindOfKey("sb_publishable_b"), "publishable");
  assert.equal(kindOfKey("sb_secret_a"), "secret");
  for (const other of ["", "sb_secret_", "sb_secret_aa", "SB_SECRET_A", "jobs", "undefined"]) {
    assert.equal(kindOfKey(other), null, other);
  }
});

Deno.test("requireSecretKey() prefers the default key, and takes a single one from its own variable", () => {
  setKeys({ SUPABASE_SECRET_KEYS: '{"jobs":"sb_secret_a","default":"sb_secret_b"}' });
  assert.equal(requireSecretKey(), "sb_secret_b");
  setKeys({ SUPABASE_SECRET_KEYS: '{"jobs":"sb_secret_a"}' });
  assert.equal(requireSecretKey(), "sb_secret_a");
  setKeys({ SUPABASE_SECRET_KEY: "sb_secret_c" });
  assert.equal(requireSecretKey(), "sb_secret_c");
});

Deno.test("without keys, nobody is refused for it", () => {
  setKeys({ SUPABASE_SECRET_KEYS: '{"default":""}' });
  assert.throws(requireSecretKey, MissingVariableError);
  setKeys({});
  assert.throws(requireSecretKey, MissingVariableError);
  assert.throws(() => kindOfKey("sb_secret_a"), MissingVariableError);
});
