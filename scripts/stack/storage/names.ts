import { invalidMimeType, invalidRequest, StorageError } from "./errors.ts";

/** Where an object lives: the bucket's id and the key inside it, both checked. */
export interface ObjectAddress {
  bucket: string;
  key: string;
}

/** Most bytes of one object, as `[storage] file_size_limit` in config.toml: 50 MiB. */
export const GLOBAL_SIZE_LIMIT = 50 * 1024 * 1024;

// The hosted service's character sets: what S3 handles safely. Non-ASCII is refused there as well.
const KEY = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]{1,1024}$/;
const BUCKET = /^[A-Za-z0-9_!.*'() &$=@;:+,?-]{1,100}$/;
const SIZE = /^(\d+(?:\.\d+)?)(gb|mb|kb|b)$/i;
const SIZE_UNITS: Record<string, number> = { gb: 1e9, mb: 1e6, kb: 1e3, b: 1 };
const MIME = /^[a-z0-9.+-]+\/(\*|[a-z0-9.+-]+(;\s*charset=[a-z0-9-]+)?)$/i;

/**
 * Returns a bucket id that is safe as a folder name on disk.
 * @throws StorageError InvalidBucketName
 */
export function checkBucket(bucket: string): string {
  if (!BUCKET.test(bucket) || bucket.trim() !== bucket || bucket === "." || bucket === "..") {
    throw new StorageError(400, "InvalidBucketName", "Bucket name invalid", "Invalid Input");
  }
  return bucket;
}

/**
 * Returns the key unchanged when it uses the allowed characters and has no empty or dot segment.
 * @throws StorageError InvalidKey
 */
export function checkKey(key: string): string {
  if (!KEY.test(key) || key.split("/").some((part) => ["", ".", ".."].includes(part))) {
    throw new StorageError(400, "InvalidKey", `Invalid key: ${key}`);
  }
  return key;
}

/** Both parts of an address, checked. Throws StorageError InvalidBucketName or InvalidKey. */
export function address(bucket: string, key: string): ObjectAddress {
  return { bucket: checkBucket(bucket), key: checkKey(key) };
}

/**
 * Bytes of a bucket's size limit: a number, or text such as "2MB" (decimal units, as hosted).
 * @throws StorageError InvalidRequest for another form, EntityTooLarge above the global limit
 */
export function parseSizeLimit(limit: number | string): number {
  const [, digits, unit] = typeof limit === "string" ? SIZE.exec(limit) ?? [] : [];
  const bytes = typeof limit === "number"
    ? limit
    : Math.round(Number(digits) * (SIZE_UNITS[unit?.toLowerCase() ?? ""] ?? NaN));
  if (!Number.isInteger(bytes) || bytes < 0) {
    throw invalidRequest(
      `Invalid file size limit ${limit}: give a whole number of bytes, or text such as 20MB, 30KB or 3B`,
    );
  }
  if (bytes > GLOBAL_SIZE_LIMIT) {
    throw new StorageError(
      413,
      "EntityTooLarge",
      `The file size limit ${limit} exceeded the maximum allowed size of ${GLOBAL_SIZE_LIMIT} bytes`,
      "Payload too large",
    );
  }
  return bytes;
}

/** Refuses (415) an entry of a bucket's allowed types that is neither `type/subtype` nor `type/*`. */
export function checkAllowedMimeTypes(types: string[]): void {
  for (const type of types) if (!MIME.test(type)) throw invalidMimeType(type);
}

/** Refuses (415) a content type that the bucket does not list; an empty list takes every type. */
export function checkMimeType(mimeType: string, allowed: string[] | null): void {
  if (!allowed || allowed.length === 0) return;
  const [type] = mimeType.split("/");
  if (!allowed.some((entry) => entry === mimeType || entry === `${type}/*`)) {
    throw invalidMimeType(mimeType);
  }
}
