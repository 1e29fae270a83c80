import { Hono } from "hono";

// Replaced by the real handler; keeps the stack bootable while it is being built.
const app = new Hono().basePath("/cabina-vision");
app.all("*", (c) => c.json({ success: false, error: "NOT_FOUND" }, 404));
Deno.serve(app.fetch);
