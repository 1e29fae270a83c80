import { Refusal } from "./envelope.ts";

/** What a task has to make, read and checked from a create request. */
export interface Job {
  model: string;
  prompt: string;
  /** Addresses of the pictures to start from; the first one is the photo. */
  images: string[];
  /** Bytes that one of these pictures may have. */
  imageLimit: number;
  /** `auto` keeps the ratio of the photo. */
  ratio: string;
  resolution: "1K" | "2K" | "4K";
  format: "png" | "jpeg";
  /** Credits, taken at submission. */
  price: number;
}

interface Model {
  prompt: number;
  images?: { field: "image_input" | "image_urls"; min: number; max: number; megabytes: number };
  shape: { fields: string[]; ratios: readonly string[]; fallback: string };
  formats?: { values: string[]; fallback: string };
  prices: Partial<Record<Job["resolution"], number>>;
}

const COMMON = "1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9".split(" ");
const WITH_AUTO = ["auto", ...COMMON];
const WITH_STRIPS = [...WITH_AUTO, "1:4", "1:8", "4:1", "8:1"];
const GOOGLE = {
  prompt: 5_000,
  shape: { fields: ["image_size", "aspect_ratio"], ratios: WITH_AUTO, fallback: "1:1" },
  formats: { values: ["png", "jpeg"], fallback: "png" },
  prices: { "1K": 4 },
} satisfies Model;

/** The models, their limits and their prices: docs.kie.ai, market pages of Google's nano-banana family. */
const MODELS: Record<string, Model> = {
  "nano-banana-2": {
    prompt: 20_000,
    images: { field: "image_input", min: 0, max: 14, megabytes: 30 },
    shape: { fields: ["aspect_ratio"], ratios: WITH_STRIPS, fallback: "auto" },
    formats: { values: ["jpg", "png"], fallback: "jpg" },
    prices: { "1K": 8, "2K": 12, "4K": 18 },
  },
  "google/nano-banana": GOOGLE,
  "google/nano-banana-edit": {
    ...GOOGLE,
    images: { field: "image_urls", min: 1, max: 10, megabytes: 10 },
  },
  "nano-banana-pro": {
    prompt: 10_000,
    images: { field: "image_input", min: 0, max: 8, megabytes: 30 },
    shape: { fields: ["aspect_ratio"], ratios: WITH_AUTO, fallback: "1:1" },
    formats: { values: ["png", "jpg"], fallback: "png" },
    prices: { "1K": 18, "2K": 18, "4K": 24 },
  },
  "nano-banana-2-lite": {
    prompt: 20_000,
    images: { field: "image_urls", min: 0, max: 10, megabytes: 30 },
    shape: { fields: ["aspect_ratio"], ratios: WITH_STRIPS, fallback: "auto" },
    prices: { "1K": 4 },
  },
};

/**
 * Reads the body of createTask.
 *
 * @throws Refusal 500 "… is required" for what is missing, 422 for what is wrong. Stricter than the provider may be in
 *   one point: the image field of another model is refused, because ignoring it would charge for a picture of nobody.
 */
export function readJob(body: unknown): Job {
  const { model: name, input } = object(body, "The request body");
  if (name === undefined || name === "") throw new Refusal(500, "model is required");
  const model = typeof name === "string" && Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (model === undefined) {
    throw new Refusal(422, `The model name ${JSON.stringify(name)} you specified is not supported`);
  }
  if (input === undefined || input === null) throw new Refusal(500, "input is required");
  const fields = object(input, "input");
  // A field that the model does not have is ignored, as unknown fields are.
  const sizes = Object.keys(model.prices);
  const resolution =
    (sizes.length > 1 ? choice(fields, "resolution", sizes, "1K") : "1K") as Job["resolution"];
  const format = model.formats === undefined
    ? "png"
    : choice(fields, "output_format", model.formats.values, model.formats.fallback);
  return {
    model: String(name),
    prompt: readPrompt(fields, model),
    images: readImages(fields, model),
    imageLimit: (model.images?.megabytes ?? 0) * 1024 * 1024,
    ratio: readRatio(fields, model),
    resolution,
    format: format === "png" ? "png" : "jpeg",
    price: model.prices[resolution] ?? 0,
  };
}

function readPrompt(fields: Record<string, unknown>, model: Model): string {
  const prompt = fields.prompt;
  if (prompt === undefined || prompt === null || prompt === "") {
    throw new Refusal(500, "prompt is required");
  }
  if (typeof prompt !== "string") throw new Refusal(422, "prompt must be a string");
  if (prompt.length > model.prompt) {
    throw new Refusal(
      422,
      `prompt has ${prompt.length} characters, the maximum is ${model.prompt}`,
    );
  }
  return prompt;
}

function readImages(fields: Record<string, unknown>, model: Model): string[] {
  const rule = model.images;
  for (const other of ["image_input", "image_urls"]) {
    if (other !== rule?.field && fields[other] !== undefined) {
      // The required field is missing: that is what the provider reports first.
      if (rule !== undefined && rule.min > 0 && fields[rule.field] === undefined) break;
      const way = rule === undefined
        ? "This model takes no images"
        : `This model takes ${rule.field}`;
      throw new Refusal(422, `${other} is not supported by this model. ${way}`);
    }
  }
  if (rule === undefined) return [];
  const value = fields[rule.field];
  if (value === undefined || value === null) {
    if (rule.min > 0) throw new Refusal(500, `${rule.field} is required`);
    return [];
  }
  if (!Array.isArray(value) || !value.every(isWebAddress)) {
    throw new Refusal(422, `${rule.field} must be a list of http(s) URLs`);
  }
  if (value.length < rule.min) throw new Refusal(500, `${rule.field} is required`);
  if (value.length > rule.max) {
    throw new Refusal(422, `${rule.field} has ${value.length} entries, the maximum is ${rule.max}`);
  }
  return value;
}

function readRatio(fields: Record<string, unknown>, model: Model): string {
  for (const field of model.shape.fields) {
    if (fields[field] !== undefined) {
      return choice(fields, field, model.shape.ratios, model.shape.fallback);
    }
  }
  return model.shape.fallback;
}

function choice(
  fields: Record<string, unknown>,
  name: string,
  allowed: readonly string[],
  fallback: string,
): string {
  const value = fields[name];
  if (value === undefined) return fallback;
  if (typeof value === "string" && allowed.includes(value)) return value;
  const shown = JSON.stringify(value);
  throw new Refusal(
    422,
    `${name} is not within the range of allowed options: ${shown}. Allowed: ${allowed.join(", ")}`,
  );
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(422, `${name} must be a JSON object`);
  }
  return value as Record<string, unknown>;
}

function isWebAddress(value: unknown): value is string {
  return typeof value === "string" && /^https?:$/.test(URL.parse(value)?.protocol ?? "");
}
