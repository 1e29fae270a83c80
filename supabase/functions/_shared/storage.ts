import { StorageClient } from "@supabase/storage-js";
import { publicUrl, requireEnv } from "./env.ts";
import { ApiError } from "./errors.ts";
import { fetchAsService } from "./service.ts";

/** How long an address is good for that lets somebody see a picture that is not public: 10 minutes. */
const VIEW_SECONDS = 600;
/** How long an address is good for that does not leave the function: longer than any request runs. */
const READ_SECONDS = 3600;

let client: StorageClient | undefined;

function objectsOf(bucket: string) {
  const address = `${requireEnv("SUPABASE_URL")}/storage/v1`;
  client ??= new StorageClient(address, {}, fetchAsService);
  return client.from(bucket);
}

/** The public address of an object in a public bucket. */
export function publicObjectUrl(bucket: string, path: string): string {
  return `${publicBucketUrl(bucket)}/${path}`;
}

/** The address under which the objects of a public bucket lie. */
export function publicBucketUrl(bucket: string): string {
  return `${publicUrl()}/storage/v1/object/public/${bucket}`;
}

/** Storage signs with the address that we call it by; others may reach us under another. */
function asSeenFromOutside(url: string): string {
  return url.replace(requireEnv("SUPABASE_URL"), publicUrl());
}

/** An address at which anybody can read the object for a while; null when there is no such object. */
export async function signedUrl(
  bucket: string,
  path: string,
  seconds = VIEW_SECONDS,
): Promise<string | null> {
  const { data } = await objectsOf(bucket).createSignedUrl(
    path,
    seconds,
  );
  return data === null ? null : asSeenFromOutside(data.signedUrl);
}

/** As signedUrl, for many objects of a bucket at once: by path, without those that do not exist. @throws {ApiError} UNAVAILABLE */
export async function signedUrls(
  bucket: string,
  paths: string[],
  seconds = VIEW_SECONDS,
): Promise<Map<string, string>> {
  const urls = await sign(bucket, paths, seconds);
  return new Map(
    [...urls].map(([path, url]) => [path, asSeenFromOutside(url)]),
  );
}

/** Addresses at which this function itself can read objects: by path, without those that do not exist. @throws {ApiError} UNAVAILABLE */
export async function readUrls(
  bucket: string,
  paths: string[],
): Promise<Map<string, string>> {
  return await sign(bucket, paths, READ_SECONDS);
}

async function sign(bucket: string, paths: string[], seconds: number) {
  if (paths.length === 0) return new Map<string, string>();
  const { data, error } = await objectsOf(bucket).createSignedUrls(
    paths,
    seconds,
  );
  if (error !== null) throw new ApiError("UNAVAILABLE", { cause: error });
  return new Map(
    data.flatMap(({ path, signedUrl }): [string, string][] =>
      path && signedUrl ? [[path, signedUrl]] : []
    ),
  );
}

/**
 * An address to which anybody can upload one object at `path`, once; with `upsert` also in place of an
 * earlier one.
 * @throws {ApiError} UNAVAILABLE
 */
export async function signedUploadUrl(
  bucket: string,
  path: string,
  { upsert = false } = {},
) {
  const { data, error } = await objectsOf(bucket)
    .createSignedUploadUrl(path, { upsert });
  if (error !== null) throw new ApiError("UNAVAILABLE", { cause: error });
  return { signedUrl: asSeenFromOutside(data.signedUrl), token: data.token };
}

/** The first bytes of an object, by a range read; null when there is no such object. @throws {ApiError} UNAVAILABLE */
export async function firstBytes(bucket: string, path: string, count: number) {
  // storage-js has no option for ranges, but hands these parameters to fetch.
  const { data, error } = await objectsOf(bucket).download(
    path,
    {},
    {
      headers: { range: `bytes=0-${count - 1}` },
    } as object,
  );
  if (error === null) return new Uint8Array(await data.arrayBuffer());
  const status = (error as { status?: number }).status ?? 0;
  if (status >= 400 && status < 500) return null;
  throw new ApiError("UNAVAILABLE", { cause: error });
}

/** A whole object. @throws {ApiError} UNAVAILABLE */
export async function read(bucket: string, path: string): Promise<Blob> {
  const { data, error } = await objectsOf(bucket).download(path);
  if (error !== null) throw new ApiError("UNAVAILABLE", { cause: error });
  return data;
}

/** Stores an object. @throws {ApiError} UNAVAILABLE when storage does not confirm */
export async function store(
  bucket: string,
  path: string,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  options: { contentType: string; upsert: boolean; cacheSeconds?: number },
): Promise<void> {
  const { error } = await objectsOf(bucket).upload(path, body, {
    contentType: options.contentType,
    upsert: options.upsert,
    cacheControl: String(options.cacheSeconds ?? 3600),
    duplex: "half",
  });
  if (error !== null) throw new ApiError("UNAVAILABLE", { cause: error });
}

/** Removes objects; those that are gone already count as removed. @throws {ApiError} UNAVAILABLE */
export async function remove(bucket: string, paths: string[]): Promise<void> {
  const { error } = await objectsOf(bucket).remove(paths);
  if (error !== null) throw new ApiError("UNAVAILABLE", { cause: error });
}

/** Moves an object to another bucket under the same path; one that is there already counts as moved. @throws {ApiError} UNAVAILABLE */
export async function move(
  path: string,
  bucket: string,
  toBucket: string,
): Promise<void> {
  const { error } = await objectsOf(bucket).move(path, path, {
    destinationBucket: toBucket,
  });
  if (error === null) return;
  const { data: isThere } = await objectsOf(toBucket).exists(path);
  if (!isThere) throw new ApiError("UNAVAILABLE", { cause: error });
}
