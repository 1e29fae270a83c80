import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import { email, styleIds, whiteLabel, words } from "./event_fields.ts";
import { createdKey } from "./events.ts";

const client = z.object({
  id,
  partner_id: id,
  user_id: id.nullable().describe("The account that hosts; null until an invitation is accepted"),
  name: z.string(),
  email: z.string().nullable(),
  contact_person: z.string().nullable(),
  phone: z.string().nullable(),
  contracted_styles: z.array(z.string()).describe("Style ids its events may offer; empty: all"),
  config: z.looseObject({}).describe("White label: logo_url, primary_color, radius"),
  is_active: z.boolean(),
  created_at: instant,
  updated_at: instant,
});
type ClientRow = z.input<typeof client>;

const fields = {
  email: email.nullish(),
  contact_person: words(200).nullish(),
  phone: words(50).nullish(),
  contracted_styles: styleIds.optional(),
  config: z.strictObject(whiteLabel).optional(),
};

export const listClients = route({
  method: "get",
  path: "/clients",
  credential: "account",
  summary: "A page of the partner's clients, the newest first; a master's of all.",
  query: z.strictObject({
    ...pageQuery,
    partner_id: id.optional().describe("For masters: clients of this partner"),
    is_active: z.stringbool().optional(),
    q: words(100).optional().describe("Part of the name or e-mail address"),
  }),
  answer: z.object({ clients: z.array(client), next_cursor: nextCursor }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, query }) {
    const before = readCursor(query.cursor, createdKey);
    const rows = await rpc<ClientRow[]>("list_clients", {
      p_actor_id: actor,
      p_partner_id: query.partner_id ?? null,
      p_is_active: query.is_active ?? null,
      p_q: query.q ?? null,
      p_before: before?.[0] ?? null,
      p_before_id: before?.[1] ?? null,
      p_limit: query.limit + 1,
    });
    const { page, next_cursor } = cutPage(rows, query.limit, (row) => [row.created_at, row.id]);
    return { clients: page, next_cursor };
  },
});

export const createClient = route({
  method: "post",
  path: "/clients",
  credential: "account",
  summary: "A partner takes on a client.",
  body: z.strictObject({
    ...fields,
    partner_id: id.optional().describe("For masters, who must name it"),
    name: words(200),
  }),
  answer: z.object({ client }),
  status: [201],
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, body: { partner_id, ...draft } }) {
    const row = await rpc<ClientRow>("create_client", {
      p_actor_id: actor,
      p_partner_id: partner_id ?? null,
      p_body: draft,
    });
    return { client: row };
  },
});

export const getClient = route({
  method: "get",
  path: `/clients/${ID}`,
  credential: "account",
  summary: "A client, for its partner or a master.",
  params: idParams,
  answer: z.object({ client }),
  errors: ["NOT_FOUND"],
  async handle({ actor, params }) {
    const row = await rpc<ClientRow>("get_client", { p_actor_id: actor, p_client_id: params.id });
    return { client: row };
  },
});

export const patchClient = route({
  method: "patch",
  path: `/clients/${ID}`,
  credential: "account",
  summary: "Changes what the body names of a client; null clears.",
  description:
    "`config` is merged key by key. The open events of a client that is deactivated are " +
    "paused until it is active again.",
  params: idParams,
  body: z.strictObject({
    ...fields,
    name: words(200).optional(),
    is_active: z.boolean().optional(),
  }),
  answer: z.object({ client }),
  errors: ["NOT_FOUND"],
  async handle({ actor, params, body }) {
    const row = await rpc<ClientRow>("update_client", {
      p_actor_id: actor,
      p_client_id: params.id,
      p_changes: body,
    });
    return { client: row };
  },
});

export const clientRoutes = [listClients, createClient, getClient, patchClient];
