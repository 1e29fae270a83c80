import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { instant } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { words } from "./event_fields.ts";

/** What a master may change while the platform runs. The bounds are the database's. */
const changeable = {
  signup_bonus: z.int32().describe(
    "Credits for a person's first confirmed e-mail address",
  ),
  referral_reward: z.int32().describe(
    "Credits for the referrer at the referred person's first purchase",
  ),
  pack_unlock_price: z.int32().describe("Credits for a premium pack of styles"),
  is_in_maintenance: z.boolean().describe(
    "The kill switch: no photo is begun; those begun go on",
  ),
  provider_model: words(100).describe("The provider's name of its model"),
  provider_resolution: words(20).describe("1K, 2K or 4K"),
  provider_output_format: words(20).describe("png or jpg"),
  provider_tasks_per_window: z.int32().describe(
    "Tasks that an account of the provider takes in 10 seconds",
  ),
  provider_tasks_running: z.int32().describe(
    "Tasks that an account of the provider may have running",
  ),
  uploads_per_minute: z.int32().describe(
    "Upload addresses for one client address",
  ),
  provider_credit_price: z.number().max(999_999).nullable().describe(
    "What a credit of the provider costs us; null: unknown, and so are cost and margin",
  ),
  provider_credit_currency: z.string().max(3).describe(
    "Of that price: USD, ARS ...",
  ),
};

const settings = z.object({ ...changeable, updated_at: instant });
type SettingsRow = z.input<typeof settings>;

export const getSettings = route({
  method: "get",
  path: "/settings",
  credential: "account",
  summary: "The settings of the platform. For masters.",
  answer: z.object({ settings }),
  errors: ["FORBIDDEN"],
  async handle({ actor }) {
    return {
      settings: await rpc<SettingsRow>("get_settings", { p_actor_id: actor }),
    };
  },
});

export const patchSettings = route({
  method: "patch",
  path: "/settings",
  credential: "account",
  summary: "Changes what the body names of the settings, from the next request on. For masters.",
  body: z.strictObject(changeable).partial(),
  answer: z.object({ settings }),
  errors: ["FORBIDDEN"],
  async handle({ actor, body }) {
    const row = await rpc<SettingsRow>("update_settings", {
      p_actor_id: actor,
      p_changes: body,
    });
    return { settings: row };
  },
});

export const settingsRoutes = [getSettings, patchSettings];
