import { csvLine } from "../csv.ts";

/** A photo of a part, as `get_export_part` gives it. */
export interface ExportPhoto {
  /** Its place among all that the event ever made. */
  number: number;
  /** Where its file should lie. */
  bucket: "generations" | "generations_private";
  path: string;
  style_id: string;
  created_at: string;
  created_local: string;
  aspect_ratio: string;
  visibility: string;
  /** Null: not noted when it was stored. */
  bytes: number | null;
  crc32: number | null;
}

/** `00001_2026-11-21_23-15-04_pb_a.png`. Says nothing of the photo's id, which is the guest's key to it. */
export function nameOf(
  { number, created_local, style_id, path }: ExportPhoto,
): string {
  const moment = created_local.replace("T", "_").replaceAll(":", "-");
  const extension = path.slice(path.lastIndexOf("."));
  return `${String(number).padStart(5, "0")}_${moment}_${style_id}${extension}`;
}

/** The first line of `manifest.csv`. */
export const manifestHead = csvLine([
  "file",
  "style_id",
  "created_local",
  "created_utc",
  "aspect_ratio",
  "visibility",
  "bytes",
  "status",
]);

/** A photo's line; `bytes` is null for one whose file is missing. */
export function manifestLine(photo: ExportPhoto, bytes: number | null): string {
  return csvLine([
    nameOf(photo),
    photo.style_id,
    photo.created_local,
    new Date(photo.created_at).toISOString(),
    photo.aspect_ratio,
    photo.visibility,
    bytes,
    bytes === null ? "missing" : "ok",
  ]);
}
