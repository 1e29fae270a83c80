import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { eventually, readStack } from "./testing.ts";

/** A mail as the simulators keep it. */
interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
}

const stack = await readStack();
const password = "correct horse battery";
const admin = connect(stack.secret_key).auth.admin;

Deno.test("signUp() wants the e-mail confirmed by the code that was sent", async () => {
  const { auth } = connect();
  const email = address();
  const signedUp = await auth.signUp({ email, password });
  assert.equal(signedUp.error, null);
  assert.equal(signedUp.data.session, null);
  const refused = await auth.signInWithPassword({ email, password });
  assert.equal(refused.error?.code, "email_not_confirmed");

  const token = /\b\d{6}\b/.exec((await mailTo(email)).text)?.[0] ?? "";
  const verified = await auth.verifyOtp({ email, token, type: "signup" });
  assert.equal(verified.error, null);
  const signedIn = await auth.signInWithPassword({ email, password });
  assert.equal(signedIn.data.user?.email, email);
});

Deno.test("signUp() sends a link that opens on the gateway and signs in", async () => {
  const email = address();
  const emailRedirectTo = `${stack.api_url}/welcome`;
  await connect().auth.signUp({ email, password, options: { emailRedirectTo } });
  const link = /https?:\/\/\S+/.exec((await mailTo(email)).text)?.[0] ?? "";
  assert.ok(link.startsWith(`${stack.api_url}/auth/v1/verify?`), link);

  const response = await fetch(link, { redirect: "manual" });
  await response.body?.cancel();
  const [base, fragment] = (response.headers.get("location") ?? "").split("#");
  assert.equal(base, emailRedirectTo);
  const token = new URLSearchParams(fragment).get("access_token") ?? "";
  assert.equal(decodeProtectedHeader(token).kid, "local");
  const { data } = await connect().auth.getUser(token);
  assert.equal(data.user?.email, email);
});

Deno.test("resetPasswordForEmail() sends a code that verifyOtp() takes", async () => {
  const email = await confirmedUser();
  const { auth } = connect();
  assert.equal((await auth.resetPasswordForEmail(email)).error, null);
  const token = /\b\d{6}\b/.exec((await mailTo(email)).text)?.[0] ?? "";
  assert.equal((await auth.verifyOtp({ email, token, type: "recovery" })).error, null);
});

Deno.test("access tokens carry the claims of the hosted service, also after a refresh", async () => {
  const email = await confirmedUser();
  const { auth } = connect();
  const { data } = await auth.signInWithPassword({ email, password });
  const claims = decodeJwt(data.session?.access_token ?? "");
  assert.equal(claims.iss, `${stack.api_url}/auth/v1`);
  assert.equal(claims.role, "authenticated");
  assert.deepEqual(claims.app_metadata, { provider: "email", providers: ["email"], plan: "gold" });
  assert.deepEqual(claims.user_metadata, { full_name: "Ada" });
  const refreshed = await auth.refreshSession();
  assert.equal(decodeJwt(refreshed.data.session?.access_token ?? "").aal, "aal1");
  assert.equal((await auth.getUser()).data.user?.email, email);
  assert.equal((await auth.signInWithPassword({ email, password: "wrong" })).error?.status, 400);
});

Deno.test("auth.admin lists, reads, changes and deletes users", async () => {
  const email = await confirmedUser();
  const { data: { users } } = await admin.listUsers({ page: 1, perPage: 1000 });
  const user = users.find((each) => each.email === email);
  assert.ok(user);
  const updated = await admin.updateUserById(user.id, {
    app_metadata: { plan: null },
    user_metadata: { city: "Rosario" },
    password: "another password",
  });
  assert.deepEqual(updated.data.user?.user_metadata, { full_name: "Ada", city: "Rosario" });
  assert.deepEqual(updated.data.user?.app_metadata, { provider: "email", providers: ["email"] });
  const { auth } = connect();
  const signedIn = await auth.signInWithPassword({ email, password: "another password" });
  assert.equal(signedIn.error, null);

  assert.equal((await admin.deleteUser(user.id)).error, null);
  assert.equal((await admin.getUserById(user.id)).error?.code, "user_not_found");
  const profiles = await connect(stack.secret_key).from("profiles").select("id").eq("id", user.id);
  assert.deepEqual(profiles.data, []);
});

Deno.test("auth.admin refuses doubles, weak passwords and everybody but the service", async () => {
  const email = await confirmedUser();
  assert.equal((await admin.createUser({ email })).error?.code, "email_exists");
  const weak = await admin.createUser({ email: address(), password: "short" });
  assert.equal(weak.error?.code, "weak_password");
  assert.equal((await connect().auth.admin.listUsers()).error?.status, 403);
});

/** Makes a user who may sign in with `password`; returns the e-mail. */
async function confirmedUser(): Promise<string> {
  const email = address();
  const { error } = await admin.createUser({
    email,
    password,
    email_confirm: true,
    user_metadata: { full_name: "Ada" },
    app_metadata: { plan: "gold" },
  });
  assert.equal(error, null);
  return email;
}

/** The newest mail to an address, once it is there. */
async function mailTo(email: string): Promise<Mail> {
  let found: Mail | undefined;
  await eventually(`a mail to ${email}`, async () => {
    const response = await fetch(`${stack.sim_url}/mail?to=${encodeURIComponent(email)}`);
    const { mails }: { mails: Mail[] } = await response.json();
    found = mails[0];
    return found !== undefined;
  });
  assert.ok(found);
  return found;
}

function address(): string {
  return `auth-${crypto.randomUUID()}@example.com`;
}

function connect(key = stack.publishable_key) {
  return createClient(stack.api_url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
}
