// `npm run make-master -- you@example.com`: the first master of a project. On the local stack nothing
// else is needed; for a hosted project SUPABASE_URL and SUPABASE_SECRET_KEY say which one.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createClient } from "@supabase/supabase-js";

interface Project {
  url: string;
  secretKey: string;
}

/** The project that the environment names; the local stack when it names none. */
async function findProject(): Promise<Project> {
  const url = Deno.env.get("SUPABASE_URL");
  const secretKey = Deno.env.get("SUPABASE_SECRET_KEY");
  if (url && secretKey) return { url, secretKey };
  if (url || secretKey) {
    throw new Error("Set both SUPABASE_URL and SUPABASE_SECRET_KEY, or neither");
  }
  const path = `${Deno.env.get("CABINA_DATA_DIR") ?? ".cabina"}/stack.json`;
  const stack = await readFile(path, "utf8").then(JSON.parse).catch(() => {
    throw new Error(
      `There is no ${path}: start the local stack with "npm start", or set SUPABASE_URL and ` +
        "SUPABASE_SECRET_KEY of a hosted project",
    );
  });
  return { url: stack.api_url, secretKey: stack.secret_key };
}

async function makeMaster(email: string): Promise<void> {
  const { url, secretKey } = await findProject();
  const supabase = createClient(url, secretKey, { auth: { persistSession: false } });
  const { data, error } = await supabase.rpc("make_first_master", { p_email: email });
  if (error !== null) throw new Error([error.message, error.hint].filter(Boolean).join(". "));
  console.log(`${email} (${data}) is a master of ${url}`);
}

try {
  const { positionals: [email] } = parseArgs({ allowPositionals: true });
  if (email === undefined) throw new Error("Whom? npm run make-master -- you@example.com");
  await makeMaster(email);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
