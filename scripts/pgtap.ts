// `deno run --allow-all scripts/pgtap.ts [name …]`: runs supabase/tests/*.sql, or those whose name
// contains one of the words, on a fresh embedded database. `supabase test db` runs the same files.
import { join } from "node:path";
import postgres from "postgres";
import type { StackConfig } from "./stack/config.ts";
import { installPgTap } from "./stack/pgtap_extension.ts";
import { dbUrl } from "./stack/postgres.ts";
import { withDatabase } from "./stack/testing_database.ts";

/** How many assertions passed and failed, and why; a broken file counts as one failure. */
export interface Counts {
  passed: number;
  failed: number;
  failures: string[];
}

/**
 * Runs the pgTAP files whose name contains one of the words (all without words), each on a
 * connection of its own as the restricted role `postgres`. Prints a line for each file and what
 * failed. The database is made for the run, with migrations and seed, and removed after it.
 */
export async function runPgTap(words: string[] = []): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, failures: [] };
  await withDatabase(async (config, { extensionDir }) => {
    await installPgTap(extensionDir);
    for (const name of await testFiles(config, words)) {
      const { passed, failures } = await runFile(config, name);
      console.log(`${failures.length > 0 ? "FAILED" : "ok"} supabase/tests/${name} (${passed} ok)`);
      for (const failure of failures) console.log(failure.replace(/^/gm, "  "));
      counts.passed += passed;
      counts.failed += failures.length;
      counts.failures.push(...failures);
    }
  });
  return counts;
}

async function testFiles(config: StackConfig, words: string[]): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(join(config.root, "supabase/tests"))) {
    const chosen = words.length === 0 || words.some((word) => name.includes(word));
    if (name.endsWith(".sql") && chosen) names.push(name);
  }
  return names.sort();
}

/** Runs one file; a failure is its TAP lines, or the SQL error with the line of the file. */
async function runFile(
  config: StackConfig,
  name: string,
): Promise<{ passed: number; failures: string[] }> {
  const text = await Deno.readTextFile(join(config.root, "supabase/tests", name));
  const sql = postgres(dbUrl(config, "postgres"), { max: 1, onnotice: () => {} });
  try {
    const results = await sql.unsafe(text).simple().values() as unknown as unknown[][][];
    const cells = results.flat(2).filter((cell) => typeof cell === "string");
    return readTap(name, cells.flatMap((cell) => cell.split("\n")));
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    const line = error.position && text.slice(0, Number(error.position)).split("\n").length;
    const place = `supabase/tests/${name}${line ? `:${line}` : ""}`;
    const details = [error.where, error.detail, error.hint].filter(Boolean).join("\n");
    return {
      passed: 0,
      failures: [`${place} ${error.message} (${error.code})\n${details}`.trim()],
    };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Counts the assertions of a TAP stream; a failure carries the comments that follow it. */
function readTap(name: string, lines: string[]): { passed: number; failures: string[] } {
  const tap = lines.filter((line) => /^(ok|not ok|\d+\.\.\d+|#|Bail out!)/.test(line));
  const failures: string[] = [];
  for (const [index, line] of tap.entries()) {
    if (!/^(not ok(?!.*# (TODO|SKIP))|Bail out!)/.test(line)) continue;
    const after = tap.slice(index + 1);
    const end = after.findIndex((next) => !next.startsWith("#"));
    const comments = after.slice(0, end < 0 ? undefined : end).join("\n");
    failures.push(`supabase/tests/${name} TAP line ${index + 1}: ${line}\n${comments}`.trim());
  }
  const planned = Number(/^1\.\.(\d+)$/m.exec(tap.join("\n"))?.[1] ?? NaN);
  const ran = tap.filter((line) => /^(not )?ok/.test(line)).length;
  if (planned !== ran) failures.push(`supabase/tests/${name} planned ${planned} tests, ran ${ran}`);
  return { passed: tap.filter((line) => /^ok/.test(line)).length, failures };
}

if (import.meta.main) {
  const { passed, failed } = await runPgTap(Deno.args);
  console.log(`${passed} passed, ${failed} failed`);
  Deno.exit(failed > 0 ? 1 : 0);
}
