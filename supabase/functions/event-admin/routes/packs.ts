import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { words } from "./event_fields.ts";

const pack = z.object({
  id,
  name: z.string(),
  audience: z.enum(["user", "partner"]).describe("Who may buy it"),
  credits: z.int(),
  price: z.number().describe("In currency"),
  currency: z.string(),
  is_active: z.boolean().describe("false: not on sale"),
  sort_order: z.int(),
  created_at: instant,
  updated_at: instant,
});
type PackRow = z.input<typeof pack>;

const fields = {
  name: words(100),
  audience: z.enum(["user", "partner"]),
  credits: z.int().min(1).max(10_000_000),
  price: z.number().min(0.01).max(9_999_999_999).multipleOf(0.01),
  currency: z.string().regex(/^[A-Z]{3}$/, "a currency is written ARS"),
  is_active: z.boolean(),
  sort_order: z.int().min(0).max(1_000_000),
};

export const listPacks = route({
  method: "get",
  path: "/packs",
  credential: "account",
  summary: "All packs of credits, on sale or not. For masters.",
  answer: z.object({ packs: z.array(pack) }),
  errors: ["FORBIDDEN"],
  async handle({ actor }) {
    return { packs: await rpc<PackRow[]>("list_packs", { p_actor_id: actor }) };
  },
});

export const createPack = route({
  method: "post",
  path: "/packs",
  credential: "account",
  summary: "Adds a pack of credits. For masters.",
  body: z.strictObject(fields).partial({
    currency: true,
    is_active: true,
    sort_order: true,
  }),
  answer: z.object({ pack }),
  status: [201],
  errors: ["FORBIDDEN"],
  async handle({ actor, body }) {
    const row = await rpc<PackRow>("save_pack", {
      p_actor_id: actor,
      p_pack_id: null,
      p_changes: body,
    });
    return { pack: row };
  },
});

export const patchPack = route({
  method: "patch",
  path: `/packs/${ID}`,
  credential: "account",
  summary: "Changes what the body names of a pack. For masters.",
  description: "Orders that exist keep the price at which they were made.",
  params: idParams,
  body: z.strictObject(fields).partial(),
  answer: z.object({ pack }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, params, body }) {
    const row = await rpc<PackRow>("save_pack", {
      p_actor_id: actor,
      p_pack_id: params.id,
      p_changes: body,
    });
    return { pack: row };
  },
});

export const packRoutes = [listPacks, createPack, patchPack];
