import { join } from "node:path";
import { readConfig } from "./stack/config.ts";

/**
 * Compares the packages that each function's `deno.json` asks for, which the official CLI deploys,
 * with those of `package.json`, which npm installs and the tests run. Returns a sentence for each
 * difference, and for each version that is not exact.
 */
export async function checkVersions(): Promise<string[]> {
  const { root } = readConfig({});
  const manifest = JSON.parse(await Deno.readTextFile(join(root, "package.json")));
  const installed: Record<string, string> = {
    ...manifest.dependencies,
    ...manifest.devDependencies,
  };
  const problems = Object.entries({ ...installed, ...manifest.optionalDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)))
    .map(([name, version]) => `package.json: ${name}@${version} is not an exact version`);
  for await (const { name } of Deno.readDir(join(root, "supabase/functions"))) {
    const path = `supabase/functions/${name}/deno.json`;
    const text = await Deno.readTextFile(join(root, path)).catch(() => "{}");
    const imports: Record<string, string> = JSON.parse(text).imports ?? {};
    for (const [alias, target] of Object.entries(imports)) {
      const [, dependency, version] = /^npm:\/?((?:@[^/]+\/)?[^@/]+)@([^/]+)/.exec(target) ?? [];
      if (!dependency || installed[dependency] !== version) {
        const wanted = installed[dependency ?? ""] ?? "no such package";
        problems.push(`${path}: ${alias} is ${target}, but package.json has ${wanted}`);
      }
    }
  }
  return problems;
}
