/** HMAC-SHA256 of a text. */
export async function hmac(key: BufferSource, text: string): Promise<Uint8Array> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(
    await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)),
  );
}

/** Whether a text is the secret; how much of it is right does not show in the time that this takes. */
export function isEqual(text: string, secret: string): boolean {
  const encoder = new TextEncoder();
  const [given, wanted] = [encoder.encode(text), encoder.encode(secret)];
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < given.length; i++) difference |= given[i]! ^ (wanted[i] ?? 0);
  return difference === 0;
}
