import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { id, instant, pictureUrl } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { words } from "./event_fields.ts";

/** The id of a style: the model_id of guests. */
const styleId = z.string().regex(/^[a-z0-9][a-z0-9_]{1,62}$/, "2 to 63 of a-z 0-9 _");
const styleParams = z.strictObject({ id: styleId });
const STYLE = ":id{[a-z0-9_]{2,63}}";

const style = z.object({
  id: styleId,
  label: z.string(),
  category: z.string(),
  subcategory: z.string().describe("The pack"),
  tags: z.array(z.string()),
  image_url: z.string().nullable(),
  is_premium: z.boolean().describe("Users unlock its pack first; events offer it as any other"),
  is_active: z.boolean(),
  credit_cost: z.int().describe("Credits of a user's photo; an event pays 1"),
  sort_order: z.int(),
  usage_count: z.int().describe("Pictures delivered"),
  prompt_version: z.int().nullable().describe("null: no prompt yet, offered to nobody"),
  created_at: instant,
  updated_at: instant,
});
type StyleRow = z.input<typeof style>;

const masterPrompt = z.string().trim().min(1).max(20_000);

const fields = {
  label: words(100),
  category: words(100),
  subcategory: words(100),
  tags: z.array(words(50)).max(30),
  image_url: pictureUrl.nullable(),
  is_premium: z.boolean(),
  is_active: z.boolean(),
  credit_cost: z.int(),
  sort_order: z.int().min(0).max(1_000_000),
};

export const listStyles = route({
  method: "get",
  path: "/styles",
  credential: "account",
  summary: "All styles, active or not, in order. For masters.",
  answer: z.object({ styles: z.array(style) }),
  errors: ["FORBIDDEN"],
  async handle({ actor }) {
    return { styles: await rpc<StyleRow[]>("list_styles", { p_actor_id: actor }) };
  },
});

export const createStyle = route({
  method: "post",
  path: "/styles",
  credential: "account",
  summary: "Adds a style. For masters.",
  description:
    "It is offered once it is active and has a prompt: add it with `is_active: false`, " +
    "give it a prompt, test it, then activate it.",
  body: z.strictObject({ id: styleId, ...fields }).partial({
    tags: true,
    image_url: true,
    is_premium: true,
    is_active: true,
    credit_cost: true,
    sort_order: true,
  }),
  answer: z.object({ style }),
  status: [201],
  errors: ["FORBIDDEN", "CONFLICT"],
  async handle({ actor, body }) {
    const row = await rpc<StyleRow>("create_style", { p_actor_id: actor, p_body: body });
    return { style: row };
  },
});

export const patchStyle = route({
  method: "patch",
  path: `/styles/${STYLE}`,
  credential: "account",
  summary: "Changes what the body names of a style, from the next photo on. For masters.",
  params: styleParams,
  body: z.strictObject(fields).partial(),
  answer: z.object({ style }),
  errors: ["FORBIDDEN", "STYLE_NOT_FOUND"],
  async handle({ actor, params, body }) {
    const row = await rpc<StyleRow>("update_style", {
      p_actor_id: actor,
      p_style_id: params.id,
      p_changes: body,
    });
    return { style: row };
  },
});

const prompt = z.object({
  prompt: z.object({ master_prompt: z.string(), version: z.int(), updated_at: instant }).nullable(),
  versions: z.array(
    z.object({
      version: z.int(),
      master_prompt: z.string(),
      created_at: instant,
      written_by: id.nullable().describe("The master; null: came with the catalogue"),
    }),
  ).describe("All that it ever had, the latest first"),
});
type PromptRow = z.input<typeof prompt>;

export const getPrompt = route({
  method: "get",
  path: `/styles/${STYLE}/prompt`,
  credential: "account",
  summary: "The prompt of a style and its earlier versions. For masters.",
  params: styleParams,
  answer: prompt,
  errors: ["FORBIDDEN", "STYLE_NOT_FOUND"],
  handle({ actor, params }) {
    return rpc<PromptRow>("get_prompt", { p_actor_id: actor, p_style_id: params.id });
  },
});

export const putPrompt = route({
  method: "put",
  path: `/styles/${STYLE}/prompt`,
  credential: "account",
  summary: "Gives a style a prompt: a new version, from the next photo on. For masters.",
  description: "The same text again changes nothing.",
  params: styleParams,
  body: z.strictObject({ master_prompt: masterPrompt }),
  answer: prompt,
  errors: ["FORBIDDEN", "STYLE_NOT_FOUND"],
  handle({ actor, params, body }) {
    return rpc<PromptRow>("set_prompt", {
      p_actor_id: actor,
      p_style_id: params.id,
      p_master_prompt: body.master_prompt,
    });
  },
});

export const postStyleTest = route({
  method: "post",
  path: `/styles/${STYLE}/test`,
  credential: "account",
  summary:
    "Tries a style, active or not, with a real picture that costs nobody credits. For masters.",
  description:
    "`photo_path` is one of `POST /cabina-vision/upload-url` with the master's own token; the photo " +
    "is removed once the test is over. Follow it with `action: check` of cabina-vision. It counts " +
    "for no style and nobody's balance. Ten a minute.",
  params: styleParams,
  body: z.strictObject({
    photo_path: z.string().max(200),
    master_prompt: masterPrompt.optional()
      .describe("A draft to try instead of the style's prompt, which it leaves as it is"),
    aspect_ratio: z.enum(["1:1", "4:3", "3:4", "16:9", "9:16", "4:5"]).default("3:4"),
  }),
  answer: z.object({
    generation_id: id,
    state: z.literal("waiting"),
    queue_position: z.int(),
    eta_seconds: z.number(),
  }),
  status: [202],
  errors: ["FORBIDDEN", "STYLE_NOT_FOUND", "RATE_LIMITED"],
  handle({ actor, params, body }) {
    return rpc("begin_style_test", {
      p_actor_id: actor,
      p_style_id: params.id,
      p_photo_path: body.photo_path,
      p_aspect_ratio: body.aspect_ratio,
      p_master_prompt: body.master_prompt ?? null,
    });
  },
});

export const styleRoutes = [
  listStyles,
  createStyle,
  patchStyle,
  getPrompt,
  putPrompt,
  postStyleTest,
];
