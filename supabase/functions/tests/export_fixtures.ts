import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { openArchive } from "./archive.ts";
import { type Host } from "./host.ts";
import { service, sql, stack } from "./stack.ts";

/** A PNG whose noise no compression gets below about 3 bytes a pixel. */
export async function makePng(width: number, height = width): Promise<Uint8Array<ArrayBuffer>> {
  const noise = { type: "gaussian" as const, mean: 128, sigma: 60 };
  return new Uint8Array(
    await sharp({ create: { width, height, channels: 3, background: "#808080", noise } }).png()
      .toBuffer(),
  );
}

interface PhotoOptions {
  visibility?: string;
  createdAt?: string;
  /** What was noted of the file when it was stored; null: nothing. */
  noted?: { bytes: number; crc32: number } | null;
  /** Which bucket the file is in; null: none. */
  bucket?: string | null;
}

/** A finished photo of an event, the newest, with its file. */
export async function addExported(
  eventId: string,
  picture: Uint8Array<ArrayBuffer>,
  options: PhotoOptions = {},
) {
  const { visibility = "visible", createdAt = "2026-11-22T02:15:04Z" } = options;
  const own = visibility === "visible" ? "generations" : "generations_private";
  const bucket = options.bucket === undefined ? own : options.bucket;
  const noted = options.noted === undefined
    ? { bytes: picture.length, crc32: crc32(picture) }
    : options.noted;
  const path = `results/${crypto.randomUUID()}_1700000000000000001.png`;
  if (bucket !== null) {
    const { error } = await service.storage.from(bucket)
      .upload(path, picture, { contentType: "image/png" });
    if (error !== null) throw error;
  }
  const [photo] = await sql`
    insert into public.generations (event_id, style_id, status, visibility, result_path,
      expected_seconds, created_at, started_at, succeeded_at)
    values (${eventId}, 'pb_a', 'succeeded', ${visibility}, ${path}, 20, ${createdAt}, now(),
      clock_timestamp())
    returning id`;
  if (noted !== null) {
    await sql`
      insert into private.stored_pictures (generation_id, bytes, crc32)
      values (${photo!.id}, ${noted.bytes}, ${noted.crc32})`;
  }
  return { id: photo!.id as string, path };
}

/**
 * Many finished photos of an event at once, a second apart. Their objects share the files of the few
 * pictures given: storage keeps an object as a row that names a file.
 */
export async function addManyExported(
  eventId: string,
  pictures: Uint8Array<ArrayBuffer>[],
  count: number,
): Promise<void> {
  const models = await Promise.all(pictures.map((picture) => addExported(eventId, picture)));
  await sql`
    with made as (
      insert into public.generations (event_id, style_id, status, result_path, expected_seconds,
        created_at, started_at, succeeded_at)
      select ${eventId}, 'pb_a', 'succeeded',
        'results/' || gen_random_uuid() || '_' || lpad(number::text, 19, '0') || '.png', 20,
        now() - (${count} - number) * interval '1 second', now(), now() - (${count} - number) * interval '1 second'
      from generate_series(1, ${count - pictures.length}) as numbers (number)
      returning id, result_path
    ), models as (
      select generations.id, result_path, row_number() over (order by succeeded_at, id) - 1 as number
      from public.generations where id = any (${models.map(({ id }) => id)})
    ), copied as (
      select made.id, made.result_path, models.id as model_id, models.result_path as model_path
      from made join models
        on models.number = substr(split_part(made.result_path, '_', 2), 1, 19)::bigint % ${pictures.length}
    ), noted as (
      insert into private.stored_pictures (generation_id, bytes, crc32)
      select copied.id, stored_pictures.bytes, stored_pictures.crc32
      from copied join private.stored_pictures on stored_pictures.generation_id = copied.model_id
    )
    insert into storage.objects (bucket_id, name, version, metadata)
    select objects.bucket_id, copied.result_path, objects.version, objects.metadata
    from copied join storage.objects on objects.bucket_id = 'generations' and objects.name = copied.model_path`;
}

/** Where the stack keeps the file of an object. */
export async function fileOf(bucket: string, path: string): Promise<string> {
  const [object] = await sql`
    select version from storage.objects where bucket_id = ${bucket} and name = ${path}`;
  return join(dirname(Deno.env.get("CABINA_STACK")!), "storage", bucket, object!.version);
}

/** Asks for a part; the answer's body is whatever it is. */
export function fetchPart(host: Host, query: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${stack.api_url}/functions/v1/event-admin/host/export.zip?${query}`, {
    headers: {
      ...(host.token !== undefined && { authorization: `Bearer ${host.token}` }),
      ...(host.pinToken !== undefined && { "x-host-token": host.pinToken }),
    },
    ...(signal && { signal }),
  });
}

/** What an archive holds, its manifest as cells. */
export async function openPart(response: Response) {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/zip");
  const files = openArchive(await response.bytes());
  const manifest = files.pop()!;
  assert.equal(manifest.name, "manifest.csv");
  const lines = new TextDecoder().decode(manifest.bytes).trimEnd().split("\r\n");
  return { files, lines: lines.map((line) => line.split(",")), manifest };
}

/** Status and code of a refusal. */
export async function refusalIn(response: Response) {
  return [response.status, (await response.json()).error];
}
