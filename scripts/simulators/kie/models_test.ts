import assert from "node:assert/strict";
import { Refusal } from "./envelope.ts";
import { readJob } from "./models.ts";

const image = "https://example.com/a.jpg";

const refused: [string, unknown, number, RegExp][] = [
  ["no object", "hello", 422, /JSON object/],
  ["no model", { input: { prompt: "x" } }, 500, /model is required/],
  ["unknown model", { model: "gpt", input: {} }, 422, /model name "gpt".*not supported/],
  ["a wrong prefix", { model: "google/nano-banana-2", input: {} }, 422, /not supported/],
  ["a name of Object", { model: "constructor", input: {} }, 422, /not supported/],
  ["no input", { model: "nano-banana-2" }, 500, /input is required/],
  ["no prompt", input("nano-banana-2", { prompt: "" }), 500, /prompt is required/],
  [
    "a long prompt",
    input("google/nano-banana", { prompt: "x".repeat(5001) }),
    422,
    /maximum is 5000/,
  ],
  ["no images to edit", input("google/nano-banana-edit", {}), 500, /image_urls is required/],
  [
    "the other image field",
    input("nano-banana-2", { image_urls: [image] }),
    422,
    /takes image_input/,
  ],
  ["images where none go", input("google/nano-banana", { image_urls: [image] }), 422, /no images/],
  [
    "bytes as image",
    input("nano-banana-2", { image_input: ["data:image/png;base64,AA=="] }),
    422,
    /URLs/,
  ],
  [
    "many images",
    input("nano-banana-pro", { image_input: Array(9).fill(image) }),
    422,
    /maximum is 8/,
  ],
  ["a small k", input("nano-banana-2", { resolution: "1k" }), 422, /Allowed: 1K, 2K, 4K/],
  ["a ratio of others", input("nano-banana-pro", { aspect_ratio: "1:8" }), 422, /aspect_ratio/],
  ["jpeg for jpg", input("nano-banana-2", { output_format: "jpeg" }), 422, /jpg, png/],
  ["jpg for jpeg", input("google/nano-banana", { output_format: "jpg" }), 422, /png, jpeg/],
];

for (const [name, body, code, message] of refused) {
  Deno.test(`readJob() refuses ${name}`, () => {
    assert.throws(() => readJob(body), (cause) => {
      assert.ok(cause instanceof Refusal);
      assert.equal(cause.code, code);
      assert.match(cause.message, message);
      return true;
    });
  });
}

const prices: [string, string | undefined, number][] = [
  ["nano-banana-2", undefined, 8],
  ["nano-banana-2", "2K", 12],
  ["nano-banana-2", "4K", 18],
  ["nano-banana-pro", "2K", 18],
  ["nano-banana-pro", "4K", 24],
  ["nano-banana-2-lite", undefined, 4],
  ["google/nano-banana", undefined, 4],
];

Deno.test("readJob() knows the price of each model and resolution", () => {
  for (const [model, resolution, price] of prices) {
    const job = readJob(input(model, resolution === undefined ? {} : { resolution }));
    assert.equal(job.price, price, `${model} ${resolution}`);
  }
});

Deno.test("readJob() fills in the defaults of the model", () => {
  const two = readJob(input("nano-banana-2", { image_input: [image] }));
  assert.deepEqual([two.ratio, two.resolution, two.format], ["auto", "1K", "jpeg"]);
  const edit = readJob(
    input("google/nano-banana-edit", { image_urls: [image], image_size: "9:16" }),
  );
  assert.deepEqual([edit.ratio, edit.resolution, edit.format], ["9:16", "1K", "png"]);
});

function input(model: string, fields: Record<string, unknown>) {
  return { model, input: { prompt: "a gangster", ...fields } };
}
