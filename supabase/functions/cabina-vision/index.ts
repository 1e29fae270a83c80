import { app } from "./handler.ts";

Deno.serve(app.fetch);
