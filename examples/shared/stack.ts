import { readFile } from "node:fs/promises";

/** Address and key of the local stack, as `npm start` wrote them. */
export async function readStack(): Promise<{ api_url: string; publishable_key: string }> {
  const path = `${Deno.env.get("CABINA_DATA_DIR") ?? ".cabina"}/stack.json`;
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    throw new Error(
      `There is no ${path}: start the stack first, with "npm start" in another terminal`,
    );
  }
}
