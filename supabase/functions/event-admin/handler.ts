import { createApp } from "../_shared/http.ts";
import { type AnyRoute, mount } from "../_shared/route.ts";
import { alertRoutes } from "./routes/alerts.ts";
import { apiKeyRoutes } from "./routes/api_keys.ts";
import { listAudit } from "./routes/audit.ts";
import { brandingRoutes } from "./routes/branding.ts";
import { getCard, getGallery } from "./routes/card.ts";
import { clientRoutes } from "./routes/clients.ts";
import { eventCreditRoutes } from "./routes/event_credits.ts";
import { eventEntryRoutes } from "./routes/event_entry.ts";
import { eventRoutes } from "./routes/events.ts";
import { exportRoutes } from "./routes/export.ts";
import { hostEventRoutes } from "./routes/host_event.ts";
import { hostPhotoRoutes } from "./routes/host_photos.ts";
import { hostSessionRoutes } from "./routes/host_session.ts";
import { invitationRoutes } from "./routes/invitations.ts";
import { getOpenApi } from "./routes/openapi.ts";
import { getOverview } from "./routes/overview.ts";
import { packRoutes } from "./routes/packs.ts";
import { partnerRoutes } from "./routes/partners.ts";
import { getQrPng, getQrSvg } from "./routes/qr.ts";
import { settingsRoutes } from "./routes/settings.ts";
import { statsRoutes } from "./routes/stats.ts";
import { styleRoutes } from "./routes/styles.ts";
import { userRoutes } from "./routes/users.ts";
import { getWallet } from "./routes/wallet.ts";

/** All routes of event-admin (docs: design §6), in the order of who uses them. */
export const routes: AnyRoute[] = [
  // Before the card: the id of an event would read like a slug there.
  ...eventRoutes,
  getCard,
  getGallery,
  getQrSvg,
  getQrPng,
  ...hostSessionRoutes,
  ...hostEventRoutes,
  ...hostPhotoRoutes,
  ...exportRoutes,
  ...statsRoutes,
  ...eventCreditRoutes,
  ...eventEntryRoutes,
  ...clientRoutes,
  ...invitationRoutes,
  ...brandingRoutes,
  getWallet,
  getOverview,
  ...partnerRoutes,
  ...userRoutes,
  ...styleRoutes,
  ...apiKeyRoutes,
  ...packRoutes,
  ...settingsRoutes,
  listAudit,
  ...alertRoutes,
  getOpenApi,
];

export const app = createApp("event-admin");
mount(app, routes);
