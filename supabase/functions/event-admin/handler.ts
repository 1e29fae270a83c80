import { createApp } from "../_shared/http.ts";

/** All routes of event-admin (docs: design §6). */
export const app = createApp("event-admin");
