import { join } from "node:path";
import { generateTypes, TYPES_FILE } from "./gen_types.ts";
import { runCli } from "./stack/cli.ts";
import type { StackConfig } from "./stack/config.ts";
import { connect } from "./stack/connect.ts";
import { withDatabase } from "./stack/testing_database.ts";

interface Finding {
  cache_key: string;
  detail: string;
  remediation: string;
}

/**
 * Looks at a fresh database: the advisors of the official CLI must find nothing that
 * docs/security.md does not waive with a reason, the definer functions must be those that it
 * explains, and the committed types must be those of the schema. Returns a sentence for each problem.
 */
export function checkDatabase(): Promise<string[]> {
  return withDatabase(async (config) => [
    ...await checkAdvisors(config),
    ...await checkDefiners(config),
    ...await checkTypes(config),
  ]);
}

async function checkAdvisors(config: StackConfig): Promise<string[]> {
  const { stdout, stderr } = await runCli(config, [
    ...["db", "advisors", "-o", "json", "--level", "info"],
  ]);
  const findings = readFindings(stdout, stderr);
  const waivers = await readTable(config.root, "Waived findings");
  const isWaived = ({ cache_key }: Finding) =>
    waivers.some((key) =>
      key.endsWith("*") ? cache_key.startsWith(key.slice(0, -1)) : cache_key === key
    );
  const unused = waivers.filter((key) =>
    !findings.some(({ cache_key }) => cache_key.startsWith(key.replace("*", "")))
  );
  return [
    ...findings.filter((finding) => !isWaived(finding)).map(({ cache_key, detail, remediation }) =>
      `advisor ${cache_key}: ${detail} (${remediation}). Mend it, or waive it with a reason in docs/security.md`
    ),
    ...unused.map((key) => `docs/security.md waives ${key}, which no advisor finds: take it out`),
  ];
}

function readFindings(stdout: string, stderr: string): Finding[] {
  try {
    return JSON.parse(stdout) as Finding[];
  } catch {
    throw new Error(`supabase db advisors gave no findings:\n${stderr}${stdout}`);
  }
}

async function checkDefiners(config: StackConfig): Promise<string[]> {
  const sql = await connect(config, "postgres");
  const rows = await sql<{ name: string }[]>`
    select pronamespace::regnamespace || '.' || proname as name from pg_proc
    where prosecdef and pronamespace in ('public'::regnamespace, 'private'::regnamespace)`
    .finally(() => sql.end({ timeout: 1 }));
  const definers = rows.map(({ name }) => name);
  const explained = await readTable(config.root, "Definer functions");
  return [
    ...definers.filter((name) => !explained.includes(name))
      .map((name) => `docs/security.md does not say why ${name} is a definer function`),
    ...explained.filter((name) => !definers.includes(name))
      .map((name) => `docs/security.md explains ${name}, which is no definer function`),
  ];
}

/** What stands in backticks in the first column of the table under a heading of docs/security.md. */
async function readTable(root: string, heading: string): Promise<string[]> {
  const text = await Deno.readTextFile(join(root, "docs/security.md"));
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const cells = [...section.matchAll(/^\| (`[^|]+)/gm)].map(([, cell]) => cell!);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
}

async function checkTypes(config: StackConfig): Promise<string[]> {
  const committed = await Deno.readTextFile(join(config.root, TYPES_FILE));
  if (committed === await generateTypes(config)) return [];
  return [`${TYPES_FILE} is not what the schema says: run npm run gen-types and commit the result`];
}
