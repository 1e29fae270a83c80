// `npm test`: every check of the project, on a stack of its own. Words choose steps, --filter
// chooses Deno tests: `npm test -- pgtap`, `npm test -- deno --filter=rpc`.
import { join } from "node:path";
import { operations, SEEN_FILE } from "../supabase/functions/tests/operations.ts";
import { checkDatabase } from "./check_database.ts";
import { checkVersions } from "./check_versions.ts";
import { checkApi } from "./gen_api.ts";
import { type Counts, runPgTap } from "./pgtap.ts";
import { isolatedEnvironment, startTestStack } from "./stack/testing.ts";

const ROOTS = ["scripts", "examples", "supabase/functions"];
// The tests that share one stack: of its settings, keys and clocks each of them may change some.
const SHARING = "supabase/functions/tests";

const NONE: Counts = { passed: 0, failed: 0, failures: [] };
const PASSED: Counts = { ...NONE, passed: 1 };

const STEPS: Record<string, () => Promise<Counts>> = {
  format: () => deno(["fmt", "--check"]),
  lint: () => deno(["lint", "--quiet"]),
  types: () => deno(["check", "--quiet", ...ROOTS]),
  versions: async () => report(await checkVersions()),
  api: async () => report(await checkApi()),
  database: async () => report(await checkDatabase()),
  pgtap: () => runPgTap(),
  deno: runDenoTests,
};

/** Runs deno with its output on ours; the step passes when it exits with 0. */
async function deno(args: string[]): Promise<Counts> {
  const { success } = await command(args).spawn().status;
  return success ? PASSED : failure([`deno ${args.join(" ")}`]);
}

function command(args: string[], options: Deno.CommandOptions = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
    ...options,
    env: { DENO_NO_UPDATE_CHECK: "1", ...options.env },
  });
}

function add(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    failures: [...a.failures, ...b.failures],
  };
}

function failure(failures: string[]): Counts {
  return { passed: 0, failed: failures.length, failures };
}

function report(problems: string[]): Counts {
  for (const problem of problems) console.error(problem);
  return problems.length > 0 ? failure(problems) : PASSED;
}

/**
 * Runs the Deno tests; they find their stack by CABINA_STACK. Those that share it follow one another,
 * those that need none or start their own run beside them.
 */
async function runDenoTests(): Promise<Counts> {
  const temp = await Deno.makeTempDir({ prefix: "cabina-run-" });
  await Deno.chmod(temp, 0o755); // the database's account must reach the folders in it
  Deno.env.set("TMPDIR", temp);
  // Tests stand for many people: each says from which address it comes.
  const stack = await startTestStack({
    ...await isolatedEnvironment(),
    CABINA_TRUST_TEST_IP: "1",
    CABINA_SWEEP_SECONDS: "1",
    // Tests of payments say themselves when somebody looks.
    CABINA_RECONCILE_SECONDS: "0",
  });
  const filter = Deno.args.filter((arg) => arg.startsWith("--filter"));
  const test = (name: string, paths: string[], output: "inherit" | "piped") =>
    runTestGroup(`${temp}/${name}.xml`, [...filter, ...paths], stack.infoFile, output);
  try {
    const groups = await Promise.all([
      test("sharing", [SHARING], "inherit"),
      test("alone", [`--ignore=${SHARING}`, ...ROOTS], "piped"),
    ]);
    const counts = groups.reduce(add, NONE);
    if (counts.failed > 0) console.log(`The stack's log:\n${stack.log()}`);
    const unseen = filter.length > 0 ? [] : await unansweredOperations(stack.dataDir);
    return add(counts, failure(unseen.map((name) => `No test saw ${name} answer with success`)));
  } finally {
    await stack.stop();
    await Deno.remove(temp, { recursive: true });
  }
}

/** Runs a group of test files in one process. What is piped is printed when all is over. */
async function runTestGroup(
  junit: string,
  args: string[],
  stackFile: string,
  output: "inherit" | "piped",
): Promise<Counts> {
  const run = await command(
    ["test", "--allow-all", "--no-check", `--junit-path=${junit}`, ...args],
    { env: { CABINA_STACK: stackFile }, stdout: output, stderr: output },
  ).output();
  if (output === "piped") {
    for (const text of [run.stdout, run.stderr]) console.log(new TextDecoder().decode(text));
  }
  const results = await Deno.readTextFile(junit).catch(() => "");
  const { passed, failed } = countTests(results);
  const failures = failedTests(results);
  if (run.success || failed > 0) return { passed, failed, failures };
  // A file that cannot be loaded fails the run without being counted.
  return add(
    { passed, failed, failures },
    failure([`deno test ${args.join(" ")}: see its output`]),
  );
}

/** The operations of the OpenAPI document that no test file of the run noted as answered with success. */
async function unansweredOperations(dataDir: string): Promise<string[]> {
  const seen = await Deno.readTextFile(join(dataDir, SEEN_FILE)).catch(() => "");
  return operations.map(({ method, path }) => `${method} ${path}`)
    .filter((name) => !seen.split("\n").includes(name));
}

/** Reads the sums that the report's outermost element carries. */
function countTests(junit: string): { passed: number; failed: number } {
  const sum = (name: string) =>
    Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(junit)?.[1] ?? 0);
  const failed = sum("failures") + sum("errors");
  const skipped = junit.split("<skipped").length - 1;
  return { passed: sum("tests") - failed - skipped, failed };
}

/** The tests that failed, each with the first lines of why. */
function failedTests(junit: string): string[] {
  const cases = junit.matchAll(
    /<testcase name="([^"]*)"[^>]*>\s*<(?:failure|error)[^>]*>([^<]*)/g,
  );
  return [...cases].map(([, name, why]) =>
    unescapeXml(
      `${name}\n${why!.split("\n").slice(0, 40).map((line) => `  ${line}`).join("\n")}`,
    )
  );
}

function unescapeXml(text: string): string {
  const characters = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(
    /&(lt|gt|quot|apos|amp);/g,
    (_, name: keyof typeof characters) => characters[name],
  );
}

/** Runs the steps that were named, or all, and prints what failed, and the sums as the last line. */
async function main(): Promise<void> {
  const chosen = Deno.args.filter((arg) => !arg.startsWith("--"));
  const unknown = chosen.filter((name) => !Object.hasOwn(STEPS, name));
  if (unknown.length > 0) {
    console.error(`No step ${unknown.join(", ")}: there are ${Object.keys(STEPS).join(", ")}`);
    Deno.exit(2);
  }
  let total = NONE;
  for (const [name, step] of Object.entries(STEPS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    console.log(`\n── ${name}`);
    const counts = await step().catch((error) => {
      console.error(error instanceof Error ? error.message : error);
      return failure([`${name}: ${error}`]);
    });
    total = add(total, counts);
  }
  // Last, where one looks first.
  if (total.failed > 0) console.log(`\nFailed:\n${total.failures.join("\n").replace(/^/gm, "  ")}`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  Deno.exit(total.failed > 0 ? 1 : 0);
}

// deno test loads this file too, because of its name; it must not begin again then.
if (import.meta.main) await main();
