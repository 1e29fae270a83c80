// Clients of a partner.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createPerson } from "./fixtures.ts";
import { auditOf, callAdmin, createPartner, makeClient, refusalOf } from "./staff.ts";
import { test } from "./stack.ts";

const freshEmail = () => `${crypto.randomUUID()}@host.example`;

test("a partner takes on a client, changes it and finds it again", async () => {
  const partner = await createPartner();
  const email = freshEmail();
  const config = {
    logo_url: "https://pictures.example/a.png",
    primary_color: "#123456",
    radius: "8px",
  };
  const client = await makeClient(partner, {
    email,
    contact_person: "Eva",
    phone: "+54 11 5555",
    contracted_styles: ["pb_a"],
    config,
  });
  assert.deepEqual(
    [client.partner_id, client.user_id, client.is_active, client.contracted_styles, client.config],
    [partner.partnerId, null, true, ["pb_a"], config],
  );
  const { body } = await callAdmin(partner, "PATCH", `clients/${client.id}`, {
    name: "Ana María",
    phone: null,
    contracted_styles: [],
    config: { radius: null, primary_color: "#654321" },
  });
  assert.deepEqual(
    [body.client.name, body.client.phone, body.client.email, body.client.contracted_styles],
    ["Ana María", null, email, []],
  );
  assert.deepEqual(body.client.config, { logo_url: config.logo_url, primary_color: "#654321" });
  const read = await callAdmin(partner, "GET", `clients/${client.id}`);
  assert.deepEqual(read.body.client, body.client);

  const log = await auditOf(client.id);
  assert.deepEqual(log.map(({ actor_id, action }) => [actor_id, action]), [
    [partner.id, "create"],
    [partner.id, "update"],
  ]);
  assert.deepEqual([log[1]!.before.phone, log[1]!.after.phone], ["hidden", null]);
  assert.ok(!JSON.stringify(log).includes(email), "the log holds no address");
});

test("a client that is deactivated takes its open events with it until it is back", async () => {
  const partner = await createPartner({ credits: 2 });
  const { id } = await makeClient(partner);
  const { body } = await callAdmin(partner, "POST", "events", { event_name: "F", client_id: id });
  await callAdmin(partner, "POST", `events/${body.event.id}/credits`, { amount: 2 });
  const phase = async () =>
    (await callAdmin(partner, "GET", `events/${body.event.id}`)).body.event.phase;
  await callAdmin(partner, "PATCH", `clients/${id}`, { is_active: false });
  assert.equal(await phase(), "paused");
  await callAdmin(partner, "PATCH", `clients/${id}`, { is_active: true });
  assert.equal(await phase(), "active");
});

test("clients are listed with filters and paged", async () => {
  const partner = await createPartner();
  for (const name of ["Ana", "Bea", "Eva"]) await makeClient(partner, { name });
  const last = await makeClient(partner, { name: "Zoe", email: "zoe_1@host.example" });
  await callAdmin(partner, "PATCH", `clients/${last.id}`, { is_active: false });
  const names = async (query: string) => {
    const { body } = await callAdmin(partner, "GET", `clients?${query}`);
    return { seen: body.clients.map((client: { name: string }) => client.name), ...body };
  };
  const first = await names("limit=3");
  assert.deepEqual(first.seen, ["Zoe", "Eva", "Bea"]);
  const second = await names(`limit=3&cursor=${first.next_cursor}`);
  assert.deepEqual([second.seen, second.next_cursor], [["Ana"], null]);
  assert.deepEqual((await names("is_active=false")).seen, ["Zoe"]);
  assert.deepEqual((await names("is_active=true&q=E")).seen, ["Eva", "Bea"]);
  assert.deepEqual((await names("q=ZOE_1@")).seen, ["Zoe"]);
});

test("what is no client is refused with the field named", async () => {
  const partner = await createPartner();
  const { id } = await makeClient(partner);
  const cases: [Record<string, unknown>, string][] = [
    [{ name: "" }, "name"],
    [{ email: "nobody" }, "email"],
    [{ contracted_styles: ["Peaky Blinders"] }, "contracted_styles"],
    [{ config: { primary_color: "blue" } }, "config.primary_color"],
    [{ config: { radius: "round" } }, "config.radius"],
    [{ config: { limits: {} } }, "config.limits"],
    [{ user_id: partner.id }, "user_id"],
  ];
  for (const [body, field] of cases) {
    const expected = [400, "INVALID_INPUT", field];
    const created = await callAdmin(partner, "POST", "clients", { name: "Ana", ...body });
    assert.deepEqual(refusalOf(created), expected);
    assert.deepEqual(refusalOf(await callAdmin(partner, "PATCH", `clients/${id}`, body)), expected);
  }
});

test("no change of two at once is lost", async () => {
  const partner = await createPartner();
  const { id } = await makeClient(partner);
  const changes = [
    { phone: "1" },
    { contact_person: "Eva" },
    { config: { radius: "4px" } },
    { config: { primary_color: "#123456" } },
    { is_active: false },
  ];
  await Promise.all(changes.map((body) => callAdmin(partner, "PATCH", `clients/${id}`, body)));
  const { client } = (await callAdmin(partner, "GET", `clients/${id}`)).body;
  assert.deepEqual(
    [client.phone, client.contact_person, client.config, client.is_active],
    ["1", "Eva", { radius: "4px", primary_color: "#123456" }, false],
  );
});

test("another tenant's client does not exist, and who has no tenant has no clients", async () => {
  const [owner, rival, user] = await Promise.all([
    createPartner(),
    createPartner(),
    createPerson(),
  ]);
  const { id } = await makeClient(owner);
  const routes: [string, string, unknown][] = [
    ["GET", "", undefined],
    ["PATCH", "", { name: "Mine" }],
    ["POST", "/invitation", { email: freshEmail() }],
  ];
  for (const [method, path, body] of routes) {
    for (const person of [rival, user]) {
      for (const target of [id, crypto.randomUUID()]) {
        const answer = await callAdmin(person, method, `clients/${target}${path}`, body);
        assert.deepEqual(refusalOf(answer), [404, "NOT_FOUND", undefined]);
      }
    }
    const visitor = await callAdmin(null, method, `clients/${id}${path}`, body);
    assert.equal(visitor.status, 401);
  }
  assert.deepEqual((await callAdmin(rival, "GET", "clients")).body.clients, []);
  for (const path of ["clients", "branding"]) {
    const answer = await callAdmin(user, "GET", path);
    assert.deepEqual(refusalOf(answer), [403, "FORBIDDEN", undefined]);
  }
  const created = await callAdmin(user, "POST", "clients", { name: "Mine" });
  assert.deepEqual(refusalOf(created), [403, "FORBIDDEN", undefined]);
  const planted = { name: "Theirs", partner_id: owner.partnerId };
  assert.equal((await callAdmin(rival, "POST", "clients", planted)).status, 404);

  await withMaster(async ({ token }) => {
    const master = { token: token! };
    assert.equal((await callAdmin(master, "GET", `clients/${id}`)).status, 200);
    const added = await callAdmin(master, "POST", "clients", planted);
    assert.equal(added.body.client.partner_id, owner.partnerId);
    const list = await callAdmin(master, "GET", `clients?partner_id=${owner.partnerId}`);
    assert.equal(list.body.clients.length, 2);
    const unnamed = await callAdmin(master, "POST", "clients", { name: "Whose" });
    assert.deepEqual(refusalOf(unnamed), [400, "INVALID_INPUT", "partner_id"]);
  });
});
