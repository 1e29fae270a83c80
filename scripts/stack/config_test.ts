import assert from "node:assert/strict";
import { readConfig } from "./config.ts";
import { readToml } from "./toml.ts";

Deno.test("readConfig() has the documented defaults", () => {
  const config = readConfig({});
  assert.equal(config.apiUrl, "http://127.0.0.1:54321");
  assert.equal(config.dbPort, 54322);
  assert.equal(config.simUrl, "http://127.0.0.1:54330");
  assert.equal(config.dataDir, `${config.root}/.cabina`);
  assert.equal(config.sweepSeconds, 5);
  assert.equal(config.publicUrl, config.apiUrl);
  assert.equal(config.appUrl, config.apiUrl);
  assert.equal(config.allowedOrigins, config.apiUrl);
  assert.equal(config.trustTestIp, false);
});

Deno.test("readConfig() names the variable and the value that it cannot use", () => {
  const message = (env: Record<string, string>) => {
    try {
      readConfig(env);
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
    return "";
  };
  assert.equal(
    message({ CABINA_API_PORT: "80x" }),
    'CABINA_API_PORT is "80x": it must be a whole number from 1 to 65535',
  );
  assert.match(message({ CABINA_SWEEP_SECONDS: "-1" }), /^CABINA_SWEEP_SECONDS is "-1"/);
  assert.match(message({ CABINA_PUBLIC_URL: "cabina.test" }), /^CABINA_PUBLIC_URL is/);
  assert.match(message({ CABINA_DB_PORT: "54321" }), /must differ/);
});

Deno.test("readToml() reads tables, strings, numbers, booleans and lists", () => {
  const values = readToml(
    'a = "x # y" # note\n[t.sub-table]\nn = 1_000\nb = false\nlist = ["p", "q"]\n',
  );
  assert.deepEqual([...values], [
    ["a", "x # y"],
    ["t.sub-table.n", 1000],
    ["t.sub-table.b", false],
    ["t.sub-table.list", ["p", "q"]],
  ]);
});

Deno.test("readToml() names the line it cannot read", () => {
  assert.throws(() => readToml("a = 1\nb = '''"), /line 2 of supabase\/config.toml: b = '''/);
});
