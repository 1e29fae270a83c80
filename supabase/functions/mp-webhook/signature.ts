import {
  InvalidWebhookSignatureError,
  WebhookSignatureValidator,
} from "mercadopago/dist/utils/webhook/index.js";

/** Notifications are repeated for days, perhaps with their first signature. */
const MAX_AGE_MS = 7 * 24 * 3600_000;
const MAX_AHEAD_MS = 10 * 60_000;

/** What a signature speaks of. */
export interface Signed {
  xSignature: string | undefined;
  xRequestId: string | undefined;
  /** Of the address: the body is not signed. */
  dataId: string | undefined;
}

/**
 * Whether the gateway has signed a notification. The id is tried as it came and, for older signers,
 * in lower case. The time is checked here: the validator takes milliseconds for seconds.
 */
export function isSigned(
  signed: Signed,
  secret: string,
  now = Date.now(),
): boolean {
  const ids = new Set([signed.dataId, signed.dataId?.toLowerCase()]);
  return isTimely(signed.xSignature, now) &&
    [...ids].some((id) => isValid(signed, id, secret));
}

function isValid(
  { xSignature, xRequestId }: Signed,
  dataId: string | undefined,
  secret: string,
) {
  try {
    WebhookSignatureValidator.validate({
      xSignature: xSignature ?? null,
      xRequestId: xRequestId ?? null,
      dataId: dataId ?? null,
      secret,
    });
    return true;
  } catch (error) {
    if (error instanceof InvalidWebhookSignatureError) return false;
    throw error;
  }
}

/** Ten digits are seconds, thirteen milliseconds: the vendor has sent both. */
function isTimely(xSignature: string | undefined, now: number): boolean {
  const ts = /(?:^|,)\s*ts=(\d{10}|\d{13})\s*(?:,|$)/.exec(xSignature ?? "")
    ?.[1];
  if (ts === undefined) return false;
  const age = now - Number(ts) * (ts.length === 10 ? 1000 : 1);
  return age < MAX_AGE_MS && age > -MAX_AHEAD_MS;
}
