import { createApp } from "../_shared/http.ts";
import { type AnyRoute, mount } from "../_shared/route.ts";
import { receiveCallback } from "./routes/callback.ts";
import { deleteAccount, deleteGeneration } from "./routes/delete.ts";
import { generateOrCheck } from "./routes/generate.ts";
import { getHealth } from "./routes/health.ts";
import { sweep } from "./routes/sweep.ts";
import { issueUploadUrl } from "./routes/upload_url.ts";

/** All routes of cabina-vision (docs: design §6). */
export const routes: AnyRoute[] = [
  generateOrCheck,
  issueUploadUrl,
  deleteGeneration,
  deleteAccount,
  receiveCallback,
  sweep,
  getHealth,
];

export const app = createApp("cabina-vision");
mount(app, routes);
