/**
 * What front ends do, in the terminal: `npm run demo` takes a guest's photo, `npm run demo -- buy` buys
 * credits. All that they need: the project's address, its publishable key and @supabase/supabase-js.
 */
import { buyCredits } from "./buyer/main.ts";
import { takePhoto } from "./guest/main.ts";
import { RefusedError } from "./shared/call.ts";

try {
  const [name, ...rest] = Deno.args;
  await (name === "buy" ? buyCredits(rest) : takePhoto(Deno.args));
  Deno.exit(0); // the session's refresh timer would keep us
} catch (error) {
  console.error(error instanceof RefusedError ? `${error.code}: ${error.message}` : String(error));
  Deno.exit(1);
}
