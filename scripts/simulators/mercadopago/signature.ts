import { createHmac } from "node:crypto";

/** What the signature covers; a part that the notification lacks is left out, label included. */
export interface Signed {
  id?: string | undefined;
  requestId?: string | undefined;
  ts: string;
}

/** The signed text: a semicolon follows every part. */
export function manifest({ id, requestId, ts }: Signed): string {
  const parts = [["id", id], ["request-id", requestId], ["ts", ts]];
  return parts.map(([label, value]) => value === undefined ? "" : `${label}:${value};`).join("");
}

/** The header `x-signature`: HMAC-SHA256 over the manifest, in lower-case hex. */
export function sign(signed: Signed, secret: string): string {
  const v1 = createHmac("sha256", secret).update(manifest(signed)).digest("hex");
  return `ts=${signed.ts},v1=${v1}`;
}
