import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import { email, styleIds, whiteLabel, words } from "./event_fields.ts";
import { createdKey } from "./events.ts";
import { movement, movementKey, type MovementRow } from "./movement.ts";

const partner = z.object({
  id,
  user_id: id.nullable().describe(
    "The owner's account; null until an invitation is accepted",
  ),
  name: z.string(),
  business_name: z.string().nullable(),
  contact_name: z.string().nullable(),
  contact_email: z.string().nullable(),
  contact_phone: z.string().nullable(),
  credits_total: z.int().describe("Ever bought or granted"),
  credits_used: z.int().describe("What its events hold or have consumed"),
  credits_left: z.int().describe("What it can still allocate"),
  debt: z.int().describe(
    "Credits of a purchase that was taken back after they were spent",
  ),
  clients: z.int(),
  events: z.int(),
  is_active: z.boolean().describe("false: waits for approval, or suspended"),
  config: z.looseObject({}).describe(
    "White label: logo_url, primary_color, radius, style_presets",
  ),
  created_at: instant,
  updated_at: instant,
});
type PartnerRow = z.input<typeof partner>;

const fields = {
  business_name: words(200).nullish(),
  contact_name: words(200).nullish(),
  contact_email: email.nullish(),
  contact_phone: words(50).nullish(),
  is_active: z.boolean().optional(),
  config: z.strictObject({ ...whiteLabel, style_presets: styleIds.nullish() })
    .optional(),
};

export const listPartners = route({
  method: "get",
  path: "/partners",
  credential: "account",
  summary: "A page of the partners, the newest first. For masters.",
  query: z.strictObject({
    ...pageQuery,
    is_active: z.stringbool().optional(),
    q: words(100).optional().describe(
      "Part of a name or of the e-mail address",
    ),
  }),
  answer: z.object({ partners: z.array(partner), next_cursor: nextCursor }),
  errors: ["FORBIDDEN"],
  async handle({ actor, query }) {
    const before = readCursor(query.cursor, createdKey);
    const rows = await rpc<PartnerRow[]>("list_partners", {
      p_actor_id: actor,
      p_is_active: query.is_active ?? null,
      p_q: query.q ?? null,
      p_before: before?.[0] ?? null,
      p_before_id: before?.[1] ?? null,
      p_limit: query.limit + 1,
    });
    const { page, next_cursor } = cutPage(
      rows,
      query.limit,
      (row) => [row.created_at, row.id],
    );
    return { partners: page, next_cursor };
  },
});

export const createPartner = route({
  method: "post",
  path: "/partners",
  credential: "account",
  summary: "Takes on a partner. For masters.",
  description: "Its owner comes by `POST partners/{id}/invitation`.",
  body: z.strictObject({ ...fields, name: words(200) }),
  answer: z.object({ partner }),
  status: [201],
  errors: ["FORBIDDEN"],
  async handle({ actor, body }) {
    const row = await rpc<PartnerRow>("create_partner", {
      p_actor_id: actor,
      p_body: body,
    });
    return { partner: row };
  },
});

export const getPartner = route({
  method: "get",
  path: `/partners/${ID}`,
  credential: "account",
  summary: "A partner. For masters.",
  params: idParams,
  answer: z.object({ partner }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, params }) {
    const row = await rpc<PartnerRow>("get_partner", {
      p_actor_id: actor,
      p_partner_id: params.id,
    });
    return { partner: row };
  },
});

export const patchPartner = route({
  method: "patch",
  path: `/partners/${ID}`,
  credential: "account",
  summary: "Changes what the body names of a partner; null clears. For masters.",
  description:
    "`is_active` approves and suspends: the people of a suspended partner can do nothing, " +
    "and its open events pause, until it is active again.",
  params: idParams,
  body: z.strictObject({ ...fields, name: words(200).optional() }),
  answer: z.object({ partner }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, params, body }) {
    const row = await rpc<PartnerRow>("update_partner", {
      p_actor_id: actor,
      p_partner_id: params.id,
      p_changes: body,
    });
    return { partner: row };
  },
});

export const movePartnerCredits = route({
  method: "post",
  path: `/partners/${ID}/credits`,
  credential: "account",
  summary: "Grants a partner credits, or takes some back. For masters.",
  params: idParams,
  body: z.strictObject({
    amount: z.int().min(-1_000_000_000).max(1_000_000_000)
      .describe(
        "Above 0 grants; below 0 takes back, never more than are there",
      ),
    reason: words(500),
    idempotency_key: movementKey,
  }),
  answer: z.object({ partner, movement }),
  errors: [
    "FORBIDDEN",
    "NOT_FOUND",
    "INSUFFICIENT_CREDITS",
    "IDEMPOTENCY_CONFLICT",
  ],
  handle({ actor, params, body }) {
    return rpc<{ partner: PartnerRow; movement: MovementRow }>(
      "move_partner_credits",
      {
        p_actor_id: actor,
        p_partner_id: params.id,
        p_amount: body.amount,
        p_reason: body.reason,
        p_idempotency_key: body.idempotency_key ?? null,
      },
    );
  },
});

export const partnerRoutes = [
  listPartners,
  createPartner,
  getPartner,
  patchPartner,
  movePartnerCredits,
];
