import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { words } from "./event_fields.ts";

const apiKey = z.object({
  id,
  masked: z.string().describe("Its last four characters; the key itself is never shown again"),
  account_name: z.string().nullable().describe(
    "Keys of one account share its rate and its running tasks; null: the key stands alone",
  ),
  is_active: z.boolean().describe(
    "false: out of rotation, by a master or because the provider refused it",
  ),
  health: z.enum(["ready", "cooling", "suspended", "inactive"]).describe(
    "cooling: rests until cooldown_until; suspended: the provider refused it, and is asked now and " +
      "then whether it is well again",
  ),
  cooldown_until: instant.nullable(),
  failure_count: z.int().describe("Failures in a row"),
  last_error: z.string().nullable(),
  last_error_at: instant.nullable(),
  suspended_at: instant.nullable(),
  running_tasks: z.int().describe("Tasks at the provider now"),
  usage_count: z.int().describe("Tasks that the provider took with it"),
  last_used_at: instant.nullable(),
  created_at: instant,
});
type ApiKeyRow = z.input<typeof apiKey>;

export const listApiKeys = route({
  method: "get",
  path: "/api-keys",
  credential: "account",
  summary: "The provider's keys, masked, and how they are. For masters.",
  answer: z.object({ api_keys: z.array(apiKey) }),
  errors: ["FORBIDDEN"],
  async handle({ actor }) {
    return { api_keys: await rpc<ApiKeyRow[]>("list_api_keys", { p_actor_id: actor }) };
  },
});

export const addApiKey = route({
  method: "post",
  path: "/api-keys",
  credential: "account",
  summary: "Adds a key of the provider. For masters.",
  body: z.strictObject({
    api_key: z.string().regex(/^[!-~]{8,200}$/, "8 to 200 printable characters without blanks"),
    account_name: words(100).nullish(),
    is_active: z.boolean().default(true),
  }),
  answer: z.object({ api_key: apiKey }),
  status: [201],
  errors: ["FORBIDDEN", "CONFLICT"],
  async handle({ actor, body }) {
    const row = await rpc<ApiKeyRow>("add_api_key", {
      p_actor_id: actor,
      p_api_key: body.api_key,
      p_account_name: body.account_name ?? null,
      p_is_active: body.is_active,
    });
    return { api_key: row };
  },
});

export const patchApiKey = route({
  method: "patch",
  path: `/api-keys/${ID}`,
  credential: "account",
  summary: "Takes a key out of rotation, or back, or tells its account. For masters.",
  description: "Back in rotation, or with `reset_health`, its cooldown and failures are forgotten.",
  params: idParams,
  body: z.strictObject({
    account_name: words(100).nullish(),
    is_active: z.boolean().optional(),
    reset_health: z.literal(true).optional(),
  }),
  answer: z.object({ api_key: apiKey }),
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ actor, params, body }) {
    const row = await rpc<ApiKeyRow>("update_api_key", {
      p_actor_id: actor,
      p_key_id: params.id,
      p_changes: body,
    });
    return { api_key: row };
  },
});

export const apiKeyRoutes = [listApiKeys, addApiKey, patchApiKey];
