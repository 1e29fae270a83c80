import { jwtVerify, SignJWT } from "jose";
import { StorageError } from "./errors.ts";
import type { ObjectAddress } from "./names.ts";

/** What a signed URL carries: one address, one use, an end; for uploads also who gave it out. */
export interface SignedClaims {
  exp: number;
  upsert: boolean;
  owner: string | null;
}

/** Makes and checks the tokens of signed URLs. */
export interface UrlSigner {
  /** A token that reads the object for `seconds`. */
  forDownload(target: ObjectAddress, seconds: number): Promise<string>;
  /** A token that writes the object within two hours, once unless `upsert`. */
  forUpload(target: ObjectAddress, owner: string | null, upsert: boolean): Promise<string>;
  /**
   * The token's claims.
   * @throws StorageError InvalidJWT (forged, expired) or InvalidSignature (other use or address)
   */
  verify(token: string, scope: Scope, target: ObjectAddress): Promise<SignedClaims>;
}

type Scope = "download" | "upload";

/** Lifetime of a signed upload URL on the hosted service. */
const UPLOAD_SECONDS = 2 * 60 * 60;

/** Signs with HS256. The scope keeps a link for reading from being used to write. */
export function createUrlSigner(jwtSecret: string): UrlSigner {
  const secret = new TextEncoder().encode(jwtSecret);
  const sign = (claims: Record<string, unknown>, seconds: number) => {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).setIssuedAt(now)
      .setExpirationTime(now + seconds).sign(secret);
  };
  const url = ({ bucket, key }: ObjectAddress) => `${bucket}/${key}`;

  return {
    forDownload: (target, seconds) => sign({ url: url(target), scope: "download" }, seconds),
    forUpload: (target, owner, upsert) =>
      sign({ url: url(target), scope: "upload", owner, upsert }, UPLOAD_SECONDS),
    async verify(token, scope, target) {
      const { payload } = await jwtVerify(token, secret, { algorithms: ["HS256"] }).catch(
        (cause) => {
          throw new StorageError(400, "InvalidJWT", cause.message);
        },
      );
      if (payload.scope !== scope || payload.url !== url(target) || payload.exp === undefined) {
        throw new StorageError(400, "InvalidSignature", "Invalid signature");
      }
      return {
        exp: payload.exp,
        upsert: payload.upsert === true,
        owner: typeof payload.owner === "string" ? payload.owner : null,
      };
    },
  };
}
