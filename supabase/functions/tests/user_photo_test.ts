import assert from "node:assert/strict";
import { createPerson, creditsOf, finished, mintToken } from "./fixtures.ts";
import { makePhoto, toDataUrl } from "./photos.ts";
import { anonymousClient, callFunction, eventually, service, sql, stack, test } from "./stack.ts";

test("a person signs up, confirms, makes a picture and has 100 credits less", async () => {
  const email = `${crypto.randomUUID()}@example.test`;
  const supabase = anonymousClient();
  const { error } = await supabase.auth.signUp({
    email,
    password: "correct horse battery",
    options: { data: { full_name: "Nina Nueva" } },
  });
  assert.equal(error, null);
  const [before] =
    await sql`select credits, full_name, referral_code from profiles where email = ${email}`;
  assert.equal(before!.credits, 0, "no bonus before the address is confirmed");
  assert.equal(before!.full_name, "Nina Nueva");
  assert.match(before!.referral_code, /^[a-z0-9]{8}$/);

  const code = await eventually("the mail", async () => {
    const { mails } = await (await fetch(`${stack.sim_url}/mail?to=${encodeURIComponent(email)}`))
      .json();
    return mails[0]?.code as string | undefined;
  });
  const confirmed = await supabase.auth.verifyOtp({ email, token: code, type: "signup" });
  assert.equal(confirmed.error, null);
  const userId = confirmed.data.user!.id;
  assert.equal(await creditsOf(userId), 500);

  const { data } = await supabase.functions.invoke("cabina-vision", {
    body: { user_photo: toDataUrl(await makePhoto()), model_id: "pb_a" },
  });
  assert.equal(data.success, true);
  const done = await finished(data.generation_id, confirmed.data.session!.access_token);
  assert.equal(done.state, "success");
  assert.equal(await creditsOf(userId), 400);

  const { data: own } = await supabase.from("generations").select("id, image_url, credits_charged");
  assert.deepEqual(own, [{
    id: data.generation_id,
    image_url: done.image_url,
    credits_charged: 100,
  }]);
  const { data: profile } = await supabase.from("profiles").select("total_generations");
  assert.deepEqual(profile, [{ total_generations: 1 }]);
});

test("with too few credits nothing is charged and nothing is stored", async () => {
  const person = await createPerson();
  const photo = toDataUrl(await makePhoto());
  await sql`select private.post_movement('adjustment', 'user', ${person.id}, 'issued', null, 460, ${person.id})`;
  const answer = await callFunction("cabina-vision", { user_photo: photo, model_id: "pb_a" }, {
    token: person.token,
  });
  assert.deepEqual([answer.status, answer.body.error], [402, "INSUFFICIENT_CREDITS"]);
  assert.equal(await creditsOf(person.id), 40);
  const [row] = await sql`select count(*)::int from generations where user_id = ${person.id}`;
  assert.equal(row!.count, 0);
  await eventually("the removal of the selfie", async () => {
    const { data } = await service.storage.from("user_photos").list(person.id);
    return data?.length === 0;
  });
});

test("a user's photo is for that user alone", async () => {
  const [owner, other] = [await createPerson(), await createPerson()];
  const made = await callFunction("cabina-vision", {
    user_photo: toDataUrl(await makePhoto()),
    model_id: "pb_a",
  }, { token: owner.token });
  const check = { action: "check", generation_id: made.body.generation_id };
  assert.equal((await callFunction("cabina-vision", check, { token: owner.token })).status, 200);
  assert.equal(
    (await callFunction("cabina-vision", check, { token: other.token })).body.error,
    "GENERATION_NOT_FOUND",
  );
  assert.equal((await callFunction("cabina-vision", check)).status, 401);
  const remove = { method: "DELETE", token: other.token };
  const refused = await callFunction(
    `cabina-vision/generations/${check.generation_id}`,
    undefined,
    remove,
  );
  assert.equal(refused.status, 404);
});

test("a premium style is locked until its pack is unlocked", async () => {
  const person = await createPerson();
  const request = { user_photo: toDataUrl(await makePhoto()), model_id: "heroe_a" };
  const locked = await callFunction("cabina-vision", request, { token: person.token });
  assert.deepEqual([locked.status, locked.body.error], [403, "STYLE_LOCKED"]);

  await sql`select private.post_movement('grant', 'issued', null, 'user', ${person.id}, 3000, ${person.id})`;
  const supabase = anonymousClient();
  const unlock = await fetch(`${stack.api_url}/rest/v1/rpc/unlock_style_pack`, {
    method: "POST",
    headers: {
      apikey: stack.publishable_key,
      authorization: `Bearer ${person.token}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ p_pack: "Superhéroes" }),
  });
  assert.equal(unlock.status, 200, await unlock.text());
  assert.equal(await creditsOf(person.id), 500);
  assert.equal(
    (await supabase.rpc("unlock_style_pack", { p_pack: "Superhéroes" })).error !== null,
    true,
  );

  const open = await callFunction("cabina-vision", request, { token: person.token });
  assert.equal(open.status, 202);
});

test("identity comes from the token: another user_id in the body is refused", async () => {
  const [person, other] = [await createPerson(), await createPerson()];
  const request = { user_photo: toDataUrl(await makePhoto()), model_id: "pb_a", user_id: other.id };
  const answer = await callFunction("cabina-vision", request, { token: person.token });
  assert.deepEqual([answer.status, answer.body.error], [403, "FORBIDDEN"]);
});

test("a credential that is present but bad is refused, never ignored", async () => {
  const person = await createPerson();
  const request = {
    user_photo: toDataUrl(await makePhoto()),
    model_id: "pb_a",
    event_slug: "quince-sofia-2024",
  };
  const bad = {
    "forged signature": {
      token: await mintToken(person.id, person.email, "another-secret-of-32-characters!"),
    },
    "expired token": { token: await mintToken(person.id, person.email, undefined, "-1h") },
    "no token at all": { token: "nonsense" },
    "unknown key": { apikey: "sb_publishable_unknown" },
    "another scheme": { headers: { authorization: "Basic dXNlcjpwYXNz" } },
    "a scheme without a token": { headers: { authorization: "Bearer" } },
    "no key, no token": { apikey: null },
  };
  for (const [what, options] of Object.entries(bad)) {
    const answer = await callFunction("cabina-vision", request, options);
    assert.deepEqual([answer.status, answer.body.error], [401, "UNAUTHENTICATED"], what);
  }
});

test("a person who deletes the account is erased; history stays", async () => {
  const person = await createPerson();
  const made = await callFunction("cabina-vision", {
    user_photo: toDataUrl(await makePhoto()),
    model_id: "pb_a",
    wait: 40,
  }, { token: person.token });
  assert.equal(made.body.state, "success");

  const gone = await callFunction("cabina-vision/account", undefined, {
    method: "DELETE",
    token: person.token,
  });
  assert.deepEqual([gone.status, gone.body], [200, { success: true, deleted: true }]);

  const [profile] = await sql`select count(*)::int from profiles where id = ${person.id}`;
  assert.equal(profile!.count, 0);
  const [row] =
    await sql`select user_id, deleted_at, image_url from generations where id = ${made.body.generation_id}`;
  assert.equal(row!.user_id, null);
  assert.notEqual(row!.deleted_at, null);
  const [ledger] =
    await sql`select count(*)::int from private.credit_movements where source_id = ${person.id}`;
  assert.equal(ledger!.count, 2, "the charge and what was written off");
  await eventually("the removal of the picture", async () => {
    const response = await fetch(made.body.image_url);
    await response.body?.cancel();
    return response.status >= 400;
  });
});
