// The catalogue as a master keeps it: styles, their prompts, and a try that costs nobody anything.
import assert from "node:assert/strict";
import { withMaster } from "./actors.ts";
import { createEvent, createPerson, creditsOf, finished, makePhoto } from "./fixtures.ts";
import { auditOf, callAdmin, createPartner, refusalOf } from "./staff.ts";
import { anonymousClient, callFunction, sql, test } from "./stack.ts";

const newId = () => `test_${crypto.randomUUID().slice(0, 8)}`;
const draft = (id: string) => ({ id, label: "Test", category: "Test", subcategory: "Tests" });

/** A master, and styles that are gone afterwards. */
function withStyle(
  body: (master: { id: string; token: string }, styleId: string) => Promise<void>,
): Promise<void> {
  return withMaster(async ({ id, token }) => {
    const styleId = newId();
    try {
      await body({ id: id!, token: token! }, styleId);
    } finally {
      await sql`update public.styles_metadata set is_active = false where id = ${styleId}`;
    }
  });
}

test("only a master comes to styles, prompts and tests", async () => {
  const calls: [string, string, unknown?][] = [
    ["GET", "styles"],
    ["POST", "styles", draft(newId())],
    ["PATCH", "styles/pb_a", { label: "Mine" }],
    ["GET", "styles/pb_a/prompt"],
    ["PUT", "styles/pb_a/prompt", { master_prompt: "Mine" }],
    ["POST", "styles/pb_a/test", { photo_path: "x" }],
    ["PATCH", "styles/no_such_style", { label: "Mine" }],
  ];
  for (const [method, path, body] of calls) {
    for (const person of [await createPerson(), await createPartner()]) {
      const answer = await callAdmin(person, method, path, body);
      assert.deepEqual(refusalOf(answer).slice(0, 2), [403, "FORBIDDEN"], `${method} ${path}`);
    }
    assert.equal((await callAdmin(null, method, path, body)).status, 401, `${method} ${path}`);
  }
});

test("a style is offered once it is active and has a prompt", async () => {
  const { slug } = await createEvent();
  const isOffered = async (styleId: string) => {
    const { body } = await callFunction(`event-admin/events/${slug}`, undefined, { method: "GET" });
    return body.event.styles.some((style: { id: string }) => style.id === styleId);
  };
  await withStyle(async (master, styleId) => {
    const created = await callAdmin(master, "POST", "styles", {
      ...draft(styleId),
      is_active: false,
      tags: ["uno", "dos"],
    });
    assert.equal(created.status, 201);
    const { style } = created.body;
    assert.deepEqual([style.prompt_version, style.credit_cost, style.tags], [null, 100, [
      "uno",
      "dos",
    ]]);
    await callAdmin(master, "PUT", `styles/${styleId}/prompt`, { master_prompt: "Draw" });
    assert.ok(!await isOffered(styleId));
    const active = await callAdmin(master, "PATCH", `styles/${styleId}`, { is_active: true });
    assert.deepEqual([active.body.style.is_active, active.body.style.prompt_version], [true, 1]);
    assert.ok(await isOffered(styleId));

    const taken = await callAdmin(master, "POST", "styles", draft(styleId));
    assert.deepEqual(refusalOf(taken), [409, "CONFLICT", "id"]);
    for (
      const [bad, field] of [
        [{ credit_cost: 0 }, "credit_cost"],
        [{ label: "" }, "label"],
        [{ usage_count: 9 }, "usage_count"],
        [{ image_url: "nowhere" }, "image_url"],
      ] as const
    ) {
      const refused = await callAdmin(master, "PATCH", `styles/${styleId}`, bad);
      assert.deepEqual(refusalOf(refused), [400, "INVALID_INPUT", field]);
    }
    const bad = await callAdmin(master, "POST", "styles", { ...draft(styleId), id: "No Id" });
    assert.deepEqual(refusalOf(bad), [400, "INVALID_INPUT", "id"]);
    const unknown = await callAdmin(master, "PATCH", "styles/no_such_style", { label: "x" });
    assert.deepEqual(refusalOf(unknown).slice(0, 2), [404, "STYLE_NOT_FOUND"]);
    const { body } = await callAdmin(master, "GET", "styles");
    assert.ok(body.styles.some((row: { id: string }) => row.id === styleId));
  });
});

test("each text of a prompt is a version, none is lost, and none is told", async () => {
  await withStyle(async (master, styleId) => {
    await callAdmin(master, "POST", "styles", draft(styleId));
    const put = (text: string) =>
      callAdmin(master, "PUT", `styles/${styleId}/prompt`, { master_prompt: text });
    assert.equal((await put("Secret first")).body.prompt.version, 1);
    assert.equal((await put("Secret first")).body.prompt.version, 1);
    await Promise.all([put("Secret left"), put("Secret right")]);
    const { body } = await callAdmin(master, "GET", `styles/${styleId}/prompt`);
    assert.deepEqual(body.versions.map((row: { version: number }) => row.version), [3, 2, 1]);
    assert.deepEqual(
      body.versions.map((row: { master_prompt: string }) => row.master_prompt).sort(),
      ["Secret first", "Secret left", "Secret right"],
    );
    assert.equal(body.prompt.master_prompt, body.versions[0].master_prompt);
    assert.ok(!JSON.stringify(await auditOf(styleId)).includes("Secret"));
    assert.deepEqual(refusalOf(await put(" ")), [400, "INVALID_INPUT", "master_prompt"]);
  });
});

test("a master tries a style that is not active, and nobody pays", async () => {
  await withStyle(async (master, styleId) => {
    await callAdmin(master, "POST", "styles", { ...draft(styleId), is_active: false });
    const upload = await callFunction("cabina-vision/upload-url", { content_type: "image/jpeg" }, {
      token: master.token,
    });
    const { photo_path, token } = upload.body;
    await anonymousClient().storage.from("user_photos")
      .uploadToSignedUrl(photo_path, token, await makePhoto(), { contentType: "image/jpeg" });
    const tryIt = (body: Record<string, unknown>) =>
      callAdmin(master, "POST", `styles/${styleId}/test`, body);

    const early = await tryIt({ photo_path });
    assert.deepEqual(refusalOf(early).slice(0, 2), [404, "STYLE_NOT_FOUND"], "it has no prompt");
    await callAdmin(master, "PUT", `styles/${styleId}/prompt`, { master_prompt: "Draw" });
    const foreign = await tryIt({ photo_path: `${crypto.randomUUID()}/x.jpg` });
    assert.deepEqual(refusalOf(foreign), [400, "INVALID_INPUT", "photo_path"]);

    const { status, body } = await tryIt({ photo_path });
    assert.deepEqual([status, body.state], [202, "waiting"]);
    const picture = await finished(body.generation_id, master.token);
    assert.equal(picture.state, "success");
    assert.equal(await creditsOf(master.id), 500);

    await sql`update private.rate_limits set hits = 10 where name = ${`style-test:${master.id}`}`;
    assert.deepEqual(refusalOf(await tryIt({ photo_path })).slice(0, 2), [429, "RATE_LIMITED"]);
  });
});
