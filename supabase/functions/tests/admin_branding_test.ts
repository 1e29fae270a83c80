// A partner's white label, and the logo in it.
import assert from "node:assert/strict";
import sharp from "sharp";
import { withMaster } from "./actors.ts";
import { createPerson } from "./fixtures.ts";
import { auditOf, callAdmin, createPartner, refusalOf } from "./staff.ts";
import { anonymousClient, callFunction, test } from "./stack.ts";

const EMPTY = { logo_url: null, primary_color: null, radius: null, style_presets: [] };

test("a white label is changed word by word and shows on the cards of events", async () => {
  const partner = await createPartner();
  const { partnerId: partner_id } = partner;
  const read = async () => (await callAdmin(partner, "GET", "branding")).body.branding;
  assert.deepEqual(await read(), { partner_id, ...EMPTY });

  const change = async (body: unknown) =>
    (await callAdmin(partner, "PATCH", "branding", body)).body;
  await Promise.all([
    change({ logo_url: "https://pictures.example/p.png" }),
    change({ primary_color: "#102030", radius: "12px" }),
    change({ style_presets: ["pb_a"] }),
  ]);
  const label = {
    logo_url: "https://pictures.example/p.png",
    primary_color: "#102030",
    radius: "12px",
    style_presets: ["pb_a"],
  };
  assert.deepEqual(await read(), { partner_id, ...label });

  const { body } = await callAdmin(partner, "POST", "events", { event_name: "Fiesta" });
  const card = await callFunction(`event-admin/events/${body.event.event_slug}`, undefined, {
    method: "GET",
    apikey: null,
  });
  assert.equal(card.body.event.branding.primary_color, "#102030");

  const cleared = await change({ logo_url: null, radius: null, style_presets: null });
  assert.deepEqual(cleared.branding, { partner_id, ...EMPTY, primary_color: "#102030" });
  const actions = (await auditOf(partner_id)).map(({ actor_id, action }) => [actor_id, action]);
  assert.deepEqual(actions, Array(4).fill([partner.id, "update_branding"]));
});

test("what is no white label is refused with the field named", async () => {
  const partner = await createPartner();
  const cases: [Record<string, unknown>, string][] = [
    [{ primary_color: "#12345" }, "primary_color"],
    [{ logo_url: "/logo.png" }, "logo_url"],
    [{ radius: 8 }, "radius"],
    [{ style_presets: ["pb_zz"] }, "style_presets"],
    [{ welcome_text: "Hi" }, "welcome_text"],
  ];
  for (const [body, field] of cases) {
    const answer = await callAdmin(partner, "PATCH", "branding", body);
    assert.deepEqual(refusalOf(answer), [400, "INVALID_INPUT", field]);
  }
});

test("a logo is uploaded to the address that was given, and replaced by another", async () => {
  const partner = await createPartner();
  const request = { content_type: "image/png" };
  const storage = anonymousClient().storage.from("event_assets");
  const path = `partners/${partner.partnerId}/logo.png`;
  for (const background of ["#ff0000", "#00ff00"]) {
    const logo = await sharp({ create: { width: 8, height: 8, channels: 3, background } }).png()
      .toBuffer();
    const { status, body } = await callAdmin(partner, "POST", "branding/logo-url", request);
    assert.deepEqual([status, body.path], [200, path]);
    const { error } = await storage.uploadToSignedUrl(path, body.token, new Uint8Array(logo), {
      contentType: "image/png",
    });
    assert.equal(error, null);
    const shown = await fetch(body.public_url);
    assert.deepEqual(new Uint8Array(await shown.arrayBuffer()), new Uint8Array(logo));
  }
  const svg = await callAdmin(partner, "POST", "branding/logo-url", {
    content_type: "image/svg+xml",
  });
  assert.deepEqual(refusalOf(svg), [400, "INVALID_INPUT", "content_type"]);
});

test("a white label is its partner's and a master's", async () => {
  const [partner, rival, user] = await Promise.all([
    createPartner(),
    createPartner(),
    createPerson(),
  ]);
  const theirs = `?partner_id=${partner.partnerId}`;
  const routes: [string, string, unknown][] = [
    ["GET", "branding", undefined],
    ["PATCH", "branding", { primary_color: "#000000" }],
    ["POST", "branding/logo-url", { content_type: "image/png" }],
  ];
  await withMaster(async ({ token }) => {
    for (const [method, path, body] of routes) {
      const ask = async (person: { token: string } | null, query = "") =>
        refusalOf(await callAdmin(person, method, path + query, body));
      assert.deepEqual(await ask(rival, theirs), [404, "NOT_FOUND", undefined]);
      assert.deepEqual(await ask(user), [403, "FORBIDDEN", undefined]);
      assert.deepEqual(await ask(null), [401, "UNAUTHENTICATED", undefined]);
      assert.deepEqual(await ask({ token: token! }), [400, "INVALID_INPUT", "partner_id"]);
      assert.deepEqual(await ask({ token: token! }, theirs), [200, undefined, undefined]);
    }
  });
  const { branding } = (await callAdmin(partner, "GET", "branding")).body;
  assert.equal(branding.primary_color, "#000000");
});
