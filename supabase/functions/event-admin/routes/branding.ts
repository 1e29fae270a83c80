import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { id } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { styleIds, whiteLabel } from "./event_fields.ts";
import { logoDescription, logoRequest, logoUpload, offerLogoUpload } from "./logo.ts";

const branding = z.object({
  partner_id: id,
  logo_url: z.string().nullable(),
  primary_color: z.string().nullable(),
  radius: z.string().nullable(),
  style_presets: z.array(z.string()).describe("Style ids to begin a new event with"),
});
type BrandingRow = z.input<typeof branding>;

/** Whose: a partner's own, or that which a master names. */
const shared = {
  credential: "account",
  query: z.strictObject({
    partner_id: id.optional().describe("For masters, who must name it"),
  }),
} as const;

export const getBranding = route({
  ...shared,
  method: "get",
  path: "/branding",
  summary: "The partner's white label.",
  answer: z.object({ branding }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, query }) {
    const row = await rpc<BrandingRow>("get_branding", {
      p_actor_id: actor,
      p_partner_id: query.partner_id ?? null,
    });
    return { branding: row };
  },
});

export const patchBranding = route({
  ...shared,
  method: "patch",
  path: "/branding",
  summary: "Changes what the body names of the partner's white label; null clears.",
  description: "It shows wherever neither client nor event has a word of its own.",
  body: z.strictObject({ ...whiteLabel, style_presets: styleIds.nullish() }),
  answer: z.object({ branding }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, query, body }) {
    const row = await rpc<BrandingRow>("update_branding", {
      p_actor_id: actor,
      p_partner_id: query.partner_id ?? null,
      p_changes: body,
    });
    return { branding: row };
  },
});

export const postBrandingLogo = route({
  ...shared,
  method: "post",
  path: "/branding/logo-url",
  summary: "An address to upload the partner's logo to; an earlier one is replaced.",
  description: logoDescription,
  body: logoRequest,
  answer: logoUpload,
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, query }) {
    const path = await rpc<string>("issue_partner_logo", {
      p_actor_id: actor,
      p_partner_id: query.partner_id ?? null,
    });
    return await offerLogoUpload(path);
  },
});

export const brandingRoutes = [getBranding, patchBranding, postBrandingLogo];
