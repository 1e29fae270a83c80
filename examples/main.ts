/**
 * What front ends do, in the terminal: `npm run demo` takes a guest's photo, `npm run demo -- buy` buys
 * credits, `npm run demo -- admin` is a partner's evening. All that they need: the project's address, its
 * publishable key, @supabase/supabase-js and, for the types, the client of the OpenAPI document.
 */
import { runEvening } from "./admin/main.ts";
import { buyCredits } from "./buyer/main.ts";
import { takePhoto } from "./guest/main.ts";
import { CabinaError } from "./client/cabina.ts";

try {
  const [name, ...rest] = Deno.args;
  if (name === "buy") await buyCredits(rest);
  else if (name === "admin") await runEvening(rest);
  else await takePhoto(Deno.args);
  Deno.exit(0); // the session's refresh timer would keep us
} catch (error) {
  console.error(error instanceof CabinaError ? `${error.code}: ${error.message}` : String(error));
  Deno.exit(1);
}
