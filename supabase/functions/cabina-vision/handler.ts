import { createApp } from "../_shared/http.ts";
import { postCallback } from "./routes/callback.ts";
import { deleteAccount, deleteGeneration } from "./routes/delete.ts";
import { postRoot } from "./routes/generate.ts";
import { getHealth } from "./routes/health.ts";
import { postSweep } from "./routes/sweep.ts";
import { postUploadUrl } from "./routes/upload_url.ts";

/** All routes of cabina-vision (docs: design §6). */
export const app = createApp("cabina-vision");

app.post("/", postRoot);
app.post("/upload-url", postUploadUrl);
app.delete("/generations/:id", deleteGeneration);
app.delete("/account", deleteAccount);
app.post("/callback", postCallback);
app.post("/sweep", postSweep);
app.get("/health", getHealth);
