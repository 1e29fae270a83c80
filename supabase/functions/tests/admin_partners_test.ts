// Partners, as a master takes them on, pays them and suspends them; nobody else may.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createEvent, createPerson } from "./fixtures.ts";
import { auditOf, callAdmin, createPartner, refusalOf } from "./staff.ts";
import { callFunction, sql, test } from "./stack.ts";

test("only a master comes to partners, whether they exist or not", async () => {
  const partner = await createPartner();
  const paths: [string, string, unknown?][] = [
    ["GET", "partners"],
    ["POST", "partners", { name: "Mine" }],
    ...[partner.partnerId, crypto.randomUUID()].flatMap((id): [string, string, unknown?][] => [
      ["GET", `partners/${id}`],
      ["PATCH", `partners/${id}`, { is_active: true }],
      ["POST", `partners/${id}/credits`, { amount: 1000, reason: "A gift" }],
    ]),
  ];
  for (const person of [partner, await createPerson({ role: "client" }), await createPerson()]) {
    for (const [method, path, body] of paths) {
      const answer = await callAdmin(person, method, path, body);
      assert.deepEqual(refusalOf(answer).slice(0, 2), [403, "FORBIDDEN"], `${method} ${path}`);
    }
  }
  for (const [method, path, body] of paths) {
    const answer = await callAdmin(null, method, path, body);
    assert.deepEqual(refusalOf(answer).slice(0, 2), [401, "UNAUTHENTICATED"], `${method} ${path}`);
  }
  await withMaster(async ({ token }) => {
    for (const [method, path, body] of paths.slice(-3)) {
      const answer = await callAdmin({ token: token! }, method, path, body);
      assert.deepEqual(refusalOf(answer).slice(0, 2), [404, "NOT_FOUND"], `${method} ${path}`);
    }
  });
});

test("a master takes a partner on, changes it and finds it again", async () => {
  await withMaster(async ({ id: masterId, token }) => {
    const master = { token: token! };
    const name = `Fotos ${crypto.randomUUID()}`;
    const { status, body } = await callAdmin(master, "POST", "partners", {
      name,
      contact_email: "owner@fotos.example",
      is_active: false,
      config: { primary_color: "#123456", style_presets: ["pb_a"] },
    });
    assert.equal(status, 201);
    const { partner } = body;
    assert.deepEqual([partner.is_active, partner.credits_left, partner.user_id], [false, 0, null]);

    const path = `partners/${partner.id}`;
    const changed = await callAdmin(master, "PATCH", path, {
      is_active: true,
      contact_email: null,
      config: { radius: "4px" },
    });
    assert.equal(changed.status, 200);
    assert.deepEqual(changed.body.partner.config, {
      primary_color: "#123456",
      style_presets: ["pb_a"],
      radius: "4px",
    });
    assert.equal(changed.body.partner.contact_email, null);
    assert.deepEqual((await callAdmin(master, "GET", path)).body.partner, changed.body.partner);

    const found = await callAdmin(master, "GET", `partners?q=${encodeURIComponent(name)}`);
    assert.deepEqual(found.body.partners.map((row: { id: string }) => row.id), [partner.id]);
    const waiting = await callAdmin(master, "GET", `partners?is_active=false&q=${name.slice(6)}`);
    assert.deepEqual(waiting.body.partners, []);

    const [created, updated] = await auditOf(partner.id);
    assert.deepEqual([created!.action, updated!.action], ["create", "update"]);
    assert.equal(updated!.actor_id, masterId);
    assert.equal(updated!.before.is_active, false);
    assert.equal(created!.after.contact_email, "hidden", "addresses are not noted");
    assert.equal(updated!.request_id, changed.headers.get("x-request-id"));

    for (
      const [method, where, bad, field] of [
        ["POST", "partners", {}, "name"],
        ["POST", "partners", { name, credits_total: 10 }, "credits_total"],
        ["PATCH", path, { config: { primary_color: "blue" } }, "config.primary_color"],
        ["POST", "partners", { name, config: { style_presets: ["x"] } }, "config.style_presets"],
        ["PATCH", path, { config: { style_presets: ["Suits"] } }, "config.style_presets"],
        ["PATCH", path, { is_active: null }, "is_active"],
        ["PATCH", path, { contact_email: "nobody" }, "contact_email"],
        ["GET", "partners?limit=1000", undefined, "limit"],
        ["GET", "partners?is_active=maybe", undefined, "is_active"],
      ] as const
    ) {
      const answer = await callAdmin(master, method, where, bad);
      assert.deepEqual(refusalOf(answer), [400, "INVALID_INPUT", field]);
    }
  });
});

test("partners are paged without gaps", async () => {
  const mark = crypto.randomUUID();
  await sql`
    insert into public.partners (name, created_at)
    select ${mark} || n, timestamptz '2026-01-01' + n / 2 * interval '1 second'
    from generate_series(1, 9) as n`;
  await withMaster(async ({ token }) => {
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page = await callAdmin(
        { token: token! },
        "GET",
        `partners?q=${mark}&limit=4${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...page.body.partners.map((row: { id: string }) => row.id));
      cursor = page.body.next_cursor;
    }
    assert.equal(seen.length, 9);
    assert.equal(new Set(seen).size, 9);
  });
});

test("a suspended partner's event stops, and goes on when it is approved again", async () => {
  const { slug, partnerId } = await createEvent();
  const phase = async () =>
    (await callFunction(`event-admin/events/${slug}`, undefined, { method: "GET" })).body.event
      .phase;
  await withMaster(async ({ token }) => {
    const path = `partners/${partnerId}`;
    await callAdmin({ token: token! }, "PATCH", path, { is_active: false });
    assert.equal(await phase(), "paused");
    await callAdmin({ token: token! }, "PATCH", path, { is_active: true });
    assert.equal(await phase(), "active");
  });
});

test("credits are granted once however often and at once the request comes", async () => {
  const { partnerId } = await createPartner();
  await withMaster(async ({ token }) => {
    const move = (body: Record<string, unknown>) =>
      callAdmin({ token: token! }, "POST", `partners/${partnerId}/credits`, body);
    const grant = { amount: 500, reason: "Contract", idempotency_key: crypto.randomUUID() };
    const answers = await Promise.all([1, 2, 3, 4].map(() => move(grant)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(new Set(answers.map(({ body }) => body.movement.id)).size, 1);
    assert.equal(answers[0]!.body.partner.credits_left, 500);
    assert.equal((await auditOf(partnerId)).length, 1);

    for (const changes of [{ amount: 501 }, { amount: -500 }, { reason: "Another" }]) {
      const refused = await move({ ...grant, ...changes });
      assert.deepEqual(refusalOf(refused).slice(0, 2), [409, "IDEMPOTENCY_CONFLICT"]);
    }
    const taken = await move({ amount: -200, reason: "Typed too much" });
    assert.deepEqual(
      [taken.body.movement.kind, taken.body.partner.credits_left],
      ["adjustment", 300],
    );
    const answersAtOnce = await Promise.all(
      [1, 2].map(() => move({ amount: -200, reason: "Twice at once" })),
    );
    assert.deepEqual(answersAtOnce.map(({ status }) => status).sort(), [200, 402]);
    for (
      const [body, field] of [
        [{ amount: 0, reason: "Nothing" }, "amount"],
        [{ amount: 1.5, reason: "Half" }, "amount"],
        [{ amount: 1 }, "reason"],
        [{ amount: 1, reason: " " }, "reason"],
      ] as const
    ) {
      assert.deepEqual(refusalOf(await move(body)), [400, "INVALID_INPUT", field]);
    }
  });
});

test("of a grant and a correction at once with one key there is one", async () => {
  const { partnerId } = await createPartner({ credits: 100 });
  await withMaster(async ({ token }) => {
    const idempotency_key = crypto.randomUUID();
    const amounts = [5, -5, 6, -6, 7, -7];
    const answers = await Promise.all(
      amounts.map((amount) =>
        callAdmin({ token: token! }, "POST", `partners/${partnerId}/credits`, {
          amount,
          reason: "One of these",
          idempotency_key,
        })
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, 409, 409, 409, 409, 409]);
    const made = answers.findIndex(({ status }) => status === 200);
    assert.equal(answers[made]!.body.partner.credits_left, 100 + amounts[made]!);
    assert.equal((await auditOf(partnerId)).length, 1);
  });
});
