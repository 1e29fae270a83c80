import { readFile, writeFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createClient } from "@supabase/supabase-js";
import { CabinaError, createCabina, value } from "../client/cabina.ts";
import { readStack } from "../shared/stack.ts";
import { progressBar } from "./progress.ts";

const contentTypes = new Map(Object.entries(
  {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
  } as const,
));

/**
 * A guest in the terminal: `[photo.jpg] [--style pb_a] [--event quince-sofia-2024]`. Prints a progress
 * bar and saves the picture in the current folder, unless `--no-save`.
 */
export async function takePhoto(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      style: { type: "string", default: "pb_a" },
      event: { type: "string", default: "quince-sofia-2024" },
      "no-save": { type: "boolean", default: false },
    },
  });
  const file = positionals[0] ?? new URL("photo.jpg", import.meta.url);
  const photo = await readFile(file).catch(() => {
    throw new Error(`Cannot read the photo ${file}: name a JPEG, PNG or WebP file`);
  });
  const contentType = contentTypes.get(extname(String(file)).toLowerCase()) ?? "image/jpeg";

  const { api_url, publishable_key } = await readStack();
  const supabase = createClient(api_url, publishable_key);
  const cabina = createCabina({ apiUrl: api_url, publishableKey: publishable_key });
  const guestId = `guest_${crypto.randomUUID().replaceAll("-", "")}`;

  console.log(`Event ${values.event}, style ${values.style}, photo ${basename(String(file))}\n`);
  const started = performance.now();

  const upload = await value(cabina.POST("/cabina-vision/upload-url", {
    body: { content_type: contentType, event_slug: values.event },
  }));
  const { error } = await supabase.storage.from("user_photos")
    .uploadToSignedUrl(upload.photo_path, upload.token, photo, { contentType });
  if (error !== null) throw error;

  let generation = await value(cabina.POST("/cabina-vision", {
    body: {
      photo_path: upload.photo_path,
      model_id: values.style,
      event_slug: values.event,
      guest_id: guestId,
      idempotency_key: crypto.randomUUID(),
    },
  }));
  const bar = progressBar();
  bar.draw(generation);
  while (generation.state === "waiting" || generation.state === "processing") {
    generation = await value(cabina.POST("/cabina-vision", {
      body: { action: "check", generation_id: generation.generation_id, wait: 0.5 },
    }));
    bar.draw(generation);
  }
  bar.end();

  if (generation.state === "fail" || !generation.image_url) {
    throw new CabinaError({ message: "no picture", ...generation });
  }
  console.log(
    `\nYour picture, ${((performance.now() - started) / 1000).toFixed(1)} s after the selfie:`,
  );
  if (!values["no-save"]) {
    const name = `cabina-${values.style}-${generation.generation_id.slice(0, 8)}.png`;
    console.log(`  file  ${await save(generation.image_url, name)}`);
  }
  console.log(`  link  ${generation.image_url}`);
}

/** Saves a picture in the current folder; returns where. */
async function save(url: string, name: string): Promise<string> {
  const picture = await fetch(url);
  if (!picture.ok) throw new Error(`The picture at ${url} answered ${picture.status}`);
  const target = resolve(name);
  await writeFile(target, new Uint8Array(await picture.arrayBuffer()));
  return target;
}
