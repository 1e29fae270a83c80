import { createApp } from "../_shared/http.ts";
import { type AnyRoute, mount } from "../_shared/route.ts";
import { getCard, getGallery } from "./routes/card.ts";
import { getQrPng, getQrSvg } from "./routes/qr.ts";

/** All routes of event-admin (docs: design §6), in the order of who uses them. */
export const routes: AnyRoute[] = [
  getCard,
  getGallery,
  getQrSvg,
  getQrPng,
];

export const app = createApp("event-admin");
mount(app, routes);
