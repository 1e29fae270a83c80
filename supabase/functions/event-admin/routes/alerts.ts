import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { instant } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";

const alert = z.object({
  id: z.int(),
  kind: z.string(),
  subject: z.string().describe("What it is about: an id, or a name"),
  message: z.string(),
  created_at: instant,
  resolved_at: instant.nullable(),
});
type AlertRow = z.input<typeof alert>;

export const listAlerts = route({
  method: "get",
  path: "/alerts",
  credential: "account",
  summary: "A page of what somebody must look at, the latest first. For masters.",
  query: z.strictObject({
    ...pageQuery,
    is_open: z.stringbool().optional().describe(
      "Open ones, or settled ones; without it all",
    ),
  }),
  answer: z.object({ alerts: z.array(alert), next_cursor: nextCursor }),
  errors: ["FORBIDDEN"],
  async handle({ actor, query }) {
    const rows = await rpc<AlertRow[]>("list_alerts", {
      p_actor_id: actor,
      p_is_open: query.is_open ?? null,
      p_before_id: readCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? null,
      p_limit: query.limit + 1,
    });
    const { page, next_cursor } = cutPage(rows, query.limit, (row) => [row.id]);
    return { alerts: page, next_cursor };
  },
});

export const patchAlert = route({
  method: "patch",
  path: "/alerts/:id{[0-9]{1,15}}",
  credential: "account",
  summary: "Somebody has looked after an alert. For masters.",
  description: "Should its reason come again, another one is opened.",
  params: z.strictObject({ id: z.coerce.number().int() }),
  body: z.strictObject({ resolved: z.literal(true) }),
  answer: z.object({ alert }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, params }) {
    const row = await rpc<AlertRow>("resolve_alert", {
      p_actor_id: actor,
      p_alert_id: params.id,
    });
    return { alert: row };
  },
});

export const alertRoutes = [listAlerts, patchAlert];
