import assert from "node:assert/strict";
import { type Actor, ask, clientOf, leaksIn, openTables, strangers, withMaster } from "./actors.ts";
import { guestRequest, makePhoto, toDataUrl } from "./photos.ts";
import { callFunction, sql, stack, test } from "./stack.ts";
import { createTenant, rowsOf } from "./tenants.ts";

// What answers give away. The numbers are those of docs/security.md.

const victim = await createTenant();
const own = await createTenant();
const attackers = strangers(own);
const [anon, user, , partner] = attackers as [Actor, Actor, Actor, Actor];
await sql`insert into favorites (user_id, style_id) values (${victim.user.id}, 'pb_a')`;

/** A function's answer without what is new in each. */
async function answerOf(...call: Parameters<typeof callFunction>) {
  const { status, body: { request_id: _, ...body } } = await callFunction(...call);
  return { status, body };
}

test("T11 another's photo and none at all are one answer", async () => {
  const before = await rowsOf(victim);
  const none = crypto.randomUUID();
  for (const { token } of attackers.filter((actor) => actor.token !== null)) {
    const check = (generation_id: string) =>
      answerOf("cabina-vision", { action: "check", generation_id }, { token: token! });
    const remove = (id: string) =>
      answerOf(`cabina-vision/generations/${id}`, undefined, { method: "DELETE", token: token! });
    for (const ask of [check, remove]) {
      const theirs = await ask(victim.photos.own.id);
      assert.deepEqual(theirs, await ask(none));
      assert.deepEqual([theirs.status, theirs.body.error], [404, "GENERATION_NOT_FOUND"]);
    }
  }
  assert.deepEqual(await rowsOf(victim), before);
});

test("T11 another's selfie and none at all are one answer", async () => {
  const ask = (photo_path: string, isGuest: boolean) =>
    answerOf("cabina-vision", {
      model_id: "pb_a",
      photo_path,
      ...(isGuest && { event_slug: own.event.slug }),
    }, isGuest ? {} : { token: user.token! });
  for (
    const [path, isGuest] of [[victim.selfies.user, false], [victim.selfies.guest, true]] as const
  ) {
    const theirs = await ask(path, isGuest);
    assert.deepEqual(theirs, await ask(path.replace(/[^/]+$/, "none.jpg"), isGuest));
    assert.deepEqual([theirs.status, theirs.body.error], [400, "INVALID_INPUT"]);
  }
});

test("T11 another's row and none at all are one refusal of the Data API", async () => {
  const supabase = clientOf(user);
  const none = crypto.randomUUID();
  const favorite = async (user_id: string, style_id: string) => {
    const { status, error } = await supabase.from("favorites").insert({ user_id, style_id });
    return { status, error };
  };
  const taken = await favorite(victim.user.id, "pb_a");
  assert.deepEqual([taken.status, taken.error?.code], [403, "42501"]);
  assert.deepEqual(await favorite(victim.user.id, "pb_b"), taken, "a free pair");
  assert.deepEqual(await favorite(none, "pb_a"), taken, "of nobody");
  assert.deepEqual(await favorite(user.id!, "no_such_style"), taken, "of no style");

  const statement = (p_account: string, p_account_id: string) =>
    ask("rest/v1/rpc/credit_statement", user, {
      method: "POST",
      body: JSON.stringify({ p_account, p_account_id }),
    });
  const accounts = { user: victim.user.id, partner: victim.partnerId, event: victim.event.id };
  for (const [account, id] of Object.entries(accounts)) {
    const theirs = await statement(account, id);
    assert.deepEqual([theirs.status, theirs.body], [200, []]);
    assert.equal(theirs.text, (await statement(account, none)).text);
  }
  for (const column of ["event_slug", "id"]) {
    const create = (value: string) =>
      clientOf(partner).from("events").insert({
        event_name: "x",
        event_slug: "no-such-event",
        [column]: value,
      });
    const theirs = await create(column === "id" ? victim.event.id : victim.event.slug);
    assert.equal(theirs.error?.code, "42501", column);
    const free = await create(column === "id" ? none : "free-slug");
    assert.deepEqual(theirs.error, free.error, column);
  }
});

test("T11 another's file and none at all are one refusal of storage", async () => {
  const files = clientOf(user).storage.from("user_photos");
  const none = victim.selfies.user.replace("selfie", "none");
  const attempts = [
    (path: string) => files.download(path),
    (path: string) => files.info(path),
    (path: string) => files.createSignedUrl(path, 60),
    (path: string) => files.createSignedUploadUrl(path),
    (path: string) => files.upload(path, new Uint8Array(9), { contentType: "image/jpeg" }),
    (path: string) => files.copy(path, `${user.id}/copy.jpg`),
    (path: string) => files.copy(own.selfies.user, path),
    (path: string) => files.move(path, `${user.id}/moved.jpg`),
    (path: string) => files.move(own.selfies.user, path),
  ];
  for (const attempt of attempts) {
    const [theirs, nothing] = [await attempt(victim.selfies.user), await attempt(none)];
    assert.notEqual(theirs.error, null, String(attempt));
    assert.deepEqual(theirs.error, nothing.error, String(attempt));
  }
});

test("T12 the gallery shows no key to a photo", async () => {
  const ids = Object.fromEntries(
    Object.entries(victim.photos).map(([which, { id }]) => [which, id]),
  );
  for (const actor of attackers) {
    const { data } = await clientOf(actor).from("event_gallery").select("*").eq(
      "event_id",
      victim.event.id,
    );
    assert.equal(data!.length, 1, "the hidden photo is not in it");
    assert.deepEqual(leaksIn(JSON.stringify(data), ids), [], actor.name);
    const path = new URL(data![0].image_url).pathname.split("/storage/v1/object/public/")[1]!;
    const info = await ask(`storage/v1/object/info/public/${path}`, actor);
    assert.equal(info.status, 200);
    assert.deepEqual(leaksIn(info.text, ids), [], actor.name);
    // Every id that can be seen, tried as a key.
    const { token } = actor;
    for (
      const [id] of `${JSON.stringify(data)}${info.text}`.matchAll(
        /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g,
      )
    ) {
      const check = { action: "check", generation_id: id };
      const answer = await callFunction("cabina-vision", check, token === null ? {} : { token });
      assert.deepEqual([answer.status, answer.body.error], [404, "GENERATION_NOT_FOUND"], id);
    }
  }
});

test("T12 ids of another's photos cannot be asked for", async () => {
  const { event, photos, user: person } = victim;
  const questions = [
    `event_id=eq.${event.id}`,
    `user_id=eq.${person.id}`,
    `image_url=like.*${photos.shown.path}`,
    `id=in.(${photos.shown.id},${photos.hidden.id},${photos.own.id})`,
    "event_id=not.is.null&order=created_at.desc",
  ];
  for (const actor of attackers) {
    for (const question of questions) {
      const answer = await ask(`rest/v1/generations?select=id,event_id&${question}`, actor);
      assert.equal(answer.status, actor.token === null ? 401 : 200, answer.text);
      assert.deepEqual(
        leaksIn(answer.text, victim.secrets.forOthers),
        [],
        `${actor.name}: ${question}`,
      );
    }
    if (actor.token === null) continue;
    const { data } = await clientOf(actor).rpc("credit_statement", {
      p_account: "event",
      p_account_id: own.event.id,
    });
    assert.ok(
      data.every(({ generation_id }: { generation_id: unknown }) => generation_id === null),
    );
  }
});

test("T12 another guest's idempotency key gives another photo, not theirs", async () => {
  const key = {
    idempotency_key: "the-key-of-a-guest",
    user_photo: toDataUrl(await makePhoto(64, 64)),
  };
  const make = async (guest_id: string, token?: string) => {
    const request = await guestRequest(own.event.slug, { ...key, guest_id });
    return (await callFunction("cabina-vision", request, token === undefined ? {} : { token })).body
      .generation_id;
  };
  const first = await make("guest_of_this_event");
  assert.equal(await make("guest_of_this_event"), first);
  const others = [
    await make("another_guest_here"),
    await make("guest_of_this_even_"),
    await make("third_guest_here", user.token!),
  ];
  assert.equal(new Set([first, ...others]).size, 4);
});

/** Everything an actor can read over HTTP, in one text. */
async function readEverything(actor: Actor): Promise<string> {
  const texts: string[] = [];
  const read = async (...call: Parameters<typeof ask>) => {
    const { text, headers } = await ask(...call);
    texts.push(text, JSON.stringify([...headers]));
  };
  for (const { name, forAnon, forPeople } of await openTables()) {
    const columns = actor.token === null ? forAnon : forPeople;
    if (columns.length > 0) {
      // The newest rows come last in some tables and first in others.
      const headers = { range: "0-999" };
      await read(
        `rest/v1/${name}?select=${columns}&order=${
          columns.find((c) => c === "created_at") ?? columns[0]
        }.desc`,
        actor,
        { headers },
      );
    }
    await read(`rest/v1/${name}`, actor);
  }
  await read("rest/v1/", actor);
  await read("rest/v1/", actor, { headers: { accept: "application/openapi+json" } });
  const accounts = [["user", actor.id], ["partner", own.partnerId], ["partner", victim.partnerId], [
    "event",
    own.event.id,
  ], ["event", victim.event.id]];
  for (const [p_account, p_account_id] of accounts) {
    await read("rest/v1/rpc/credit_statement", actor, {
      method: "POST",
      body: JSON.stringify({ p_account, p_account_id }),
    });
  }
  for (const bucket of ["user_photos", "generations", "generations_private", "event_assets"]) {
    for (const prefix of ["", "results", "guests", "events", victim.user.id]) {
      await read(`storage/v1/object/list/${bucket}`, actor, {
        method: "POST",
        body: JSON.stringify({ prefix, limit: 1000 }),
      });
    }
    await read(`storage/v1/object/info/public/${bucket}/${victim.photos.shown.path}`, actor);
  }
  for (const { id } of Object.values(victim.photos)) {
    if (id === victim.photos.own.id) continue;
    // Whoever was given a guest's id: it opens the picture and nothing about the guest.
    const check = { method: "POST", body: JSON.stringify({ action: "check", generation_id: id }) };
    const answer = await ask("functions/v1/cabina-vision", actor, check);
    texts.push(answer.text.replaceAll(id, "").replaceAll(victim.photos.hidden.path, ""));
  }
  await read("functions/v1/cabina-vision/health", actor);
  await read("functions/v1/event-admin/openapi.json", actor);
  await read("auth/v1/settings", actor);
  return texts.join("\n");
}

test("T13 no answer to anybody carries a secret", async () => {
  const everybody = {
    ...await plantedForNobody(),
    ...prefixed("victim", victim.secrets.forNobody),
    ...prefixed("own", own.secrets.forNobody),
  };
  for (const actor of attackers) {
    const text = await readEverything(actor);
    assert.deepEqual(leaksIn(text, everybody), [], actor.name);
    assert.deepEqual(leaksIn(text, victim.secrets.forOthers), [], actor.name);
    if (actor === anon) assert.ok(text.includes(victim.event.slug), "it did read the gallery");
    else assert.ok(text.includes(actor.id!), `${actor.name} did read their own profile`);
  }
  await withMaster(async (master) => {
    const text = await readEverything(master);
    assert.deepEqual(leaksIn(text, everybody), [], "master");
    assert.ok(
      text.includes(victim.secrets.forOthers.clientEmail!),
      "a master did read the tenants",
    );
  });
});

/** Secrets of the platform itself. */
async function plantedForNobody(): Promise<Record<string, string>> {
  const keys = await sql`select api_key from api_key_pool`;
  const prompts = await sql`select id, master_prompt from identity_prompts`;
  assert.ok(keys.length > 0 && prompts.length > 0);
  return {
    ...Object.fromEntries(keys.map(({ api_key }, i) => [`provider key ${i}`, api_key])),
    ...Object.fromEntries(
      prompts.map(({ id, master_prompt }) => [`prompt of ${id}`, master_prompt]),
    ),
    secretKey: stack.secret_key,
    jwtSecret: stack.jwt_secret,
  };
}

const prefixed = (prefix: string, secrets: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(secrets).map(([name, secret]) => [`${prefix}: ${name}`, secret]),
  );
