import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { SignJWT } from "jose";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import postgres from "postgres";

/** A running stack with two buckets of our own, as three kinds of callers see it. */
export interface StorageBench {
  /** `<api>/storage/v1`, for requests that storage-js does not make. */
  url: string;
  /** Private: 1 MB, `image/*` and `text/plain`; signed-in users reach the folder named by their id. */
  privateBucket: string;
  /** Public, without limits of its own; written by the service only. */
  publicBucket: string;
  service: SupabaseClient["storage"];
  anon: SupabaseClient["storage"];
  ann: SupabaseClient["storage"];
  annId: string;
  bob: SupabaseClient["storage"];
  /** Headers of a request as the service. */
  serviceHeaders: Record<string, string>;
  jwtSecret: string;
  /** Removes buckets, policies and connections. */
  close(): Promise<void>;
}

/**
 * Prepares the bench on the stack whose stack.json is named by CABINA_STACK.
 * @throws Error that says how to start one when the variable is missing
 */
export async function openBench(): Promise<StorageBench> {
  const path = Deno.env.get("CABINA_STACK");
  if (!path) throw new Error("CABINA_STACK is not set: point it to stack.json of a running stack");
  const stack = JSON.parse(await readFile(path, "utf8"));
  const run = crypto.randomUUID().slice(0, 8);
  const [privateBucket, publicBucket] = [`test-private-${run}`, `test-public-${run}`];
  const [annId, bobId] = [crypto.randomUUID(), crypto.randomUUID()];

  const connect = (key: string, token?: string) =>
    createClient(stack.api_url, key, {
      auth: { persistSession: false, autoRefreshToken: false },
      ...(token ? { global: { headers: { Authorization: `Bearer ${token}` } } } : {}),
    }).storage;
  const userToken = (id: string) => signUserToken(stack.jwt_secret, id);
  const service = connect(stack.secret_key);
  const anon = connect(stack.publishable_key);
  const ann = connect(stack.publishable_key, await userToken(annId));
  const bob = connect(stack.publishable_key, await userToken(bobId));

  const options = { fileSizeLimit: "1MB", allowedMimeTypes: ["image/*", "text/plain"] };
  assert.equal(
    (await service.createBucket(privateBucket, { public: false, ...options })).error,
    null,
  );
  assert.equal((await service.createBucket(publicBucket, { public: true })).error, null);
  const sql = postgres(stack.db_url, { max: 1, onnotice: () => {} });
  await createPolicies(sql, privateBucket, run);

  return {
    url: `${stack.api_url}/storage/v1`,
    privateBucket,
    publicBucket,
    service,
    anon,
    ann,
    annId,
    bob,
    serviceHeaders: { apikey: stack.secret_key },
    jwtSecret: stack.jwt_secret,
    async close() {
      for (const bucket of [privateBucket, publicBucket]) {
        assert.equal((await service.emptyBucket(bucket)).error, null);
        assert.equal((await service.deleteBucket(bucket)).error, null);
      }
      for (const command of COMMANDS) {
        await sql`drop policy ${sql(`test_${run}_${command}`)} on storage.objects`;
      }
      await sql.end();
    },
  };
}

const COMMANDS = ["select", "insert", "update", "delete"];

async function createPolicies(sql: postgres.Sql, bucket: string, run: string): Promise<void> {
  const own = `bucket_id = '${bucket}'
    and (storage.foldername(name))[1] = (select auth.uid())::text`;
  for (const command of COMMANDS) {
    const rule = command === "insert" ? `with check (${own})` : `using (${own})`;
    await sql.unsafe(
      `create policy test_${run}_${command} on storage.objects
       for ${command} to authenticated ${rule}`,
    );
  }
}

/** A user's access token, as the auth service signs it. */
export function signUserToken(
  secret: string,
  id: string,
  role = "authenticated",
): Promise<string> {
  return new SignJWT({ sub: id, role, email: `${id}@example.com` })
    .setProtectedHeader({ alg: "HS256", typ: "JWT", kid: "local" })
    .setAudience("authenticated").setIssuedAt().setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
}

/** Upload options of a picture sent as bytes. */
export const PNG = { contentType: "image/png" };

/** So many bytes, all alike. */
export const bytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(7);

/** The same as a Blob, which storage-js sends as a form. */
export const png = (length = 100): Blob => new Blob([bytes(length)], { type: "image/png" });

/** A key that no other test uses. */
export const fresh = (): string => `${crypto.randomUUID()}.png`;

/** A request as the service, for what storage-js does not send. `path` is below `/storage/v1`. */
export function request(
  bench: StorageBench,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`${bench.url}${path}`, {
    ...init,
    headers: { ...bench.serviceHeaders, ...init.headers },
  });
}

/** The data of a storage-js answer; fails the test when it carries an error. */
export function ok<T>(answer: { data: T; error: unknown }): NonNullable<T> {
  assert.equal(answer.error, null, String(answer.error));
  assert.notEqual(answer.data, null);
  return answer.data as NonNullable<T>;
}

/** Fails the test unless the answer is a refusal with this code in its body. */
export function refused(
  answer: { error: unknown },
  statusCode: string,
  message?: RegExp,
): void {
  const error = answer.error as { statusCode?: string; message?: string } | null;
  assert.equal(error?.statusCode, statusCode, `expected a refusal, got ${JSON.stringify(error)}`);
  if (message) assert.match(error?.message ?? "", message);
}
