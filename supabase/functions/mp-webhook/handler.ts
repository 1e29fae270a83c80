import { createApp } from "../_shared/http.ts";

/** All routes of mp-webhook (docs: design §6). */
export const app = createApp("mp-webhook");
