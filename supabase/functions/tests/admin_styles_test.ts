// The catalogue as a master keeps it: styles, their prompts, and a try that costs nobody anything.
import assert from "node:assert/strict";
import { strangers, withMaster } from "./actors.ts";
import { createEvent, creditsOf, finished } from "./fixtures.ts";
import { makePhoto } from "./photos.ts";
import { auditOf, callAdmin, refusalOf } from "./staff.ts";
import { anonymousClient, callFunction, sql, test } from "./stack.ts";
import { createTenant } from "./tenants.ts";

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
  const people = strangers(await createTenant());
  for (const [method, path, body] of calls) {
    for (const { name, token } of people) {
      const answer = await callAdmin(token === null ? null : { token }, method, path, body);
      const expected = token === null ? [401, "UNAUTHENTICATED"] : [403, "FORBIDDEN"];
      assert.deepEqual(refusalOf(answer).slice(0, 2), expected, `${name}: ${method} ${path}`);
    }
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
    assert.ok(body.versions.every((row: { written_by: string }) => row.written_by === master.id));
    assert.ok(!JSON.stringify(await auditOf(styleId)).includes("Secret"));
    assert.deepEqual(refusalOf(await put(" ")), [400, "INVALID_INPUT", "master_prompt"]);
  });
});

/** A selfie in the master's folder. */
async function uploadSelfie({ token }: { token: string }): Promise<string> {
  const { body } = await callFunction("cabina-vision/upload-url", { content_type: "image/jpeg" }, {
    token,
  });
  const { error } = await anonymousClient().storage.from("user_photos")
    .uploadToSignedUrl(body.photo_path, body.token, await makePhoto(), {
      contentType: "image/jpeg",
    });
  assert.equal(error, null);
  return body.photo_path;
}

test("a master tries a style that is not active, then a draft, and nobody pays", async () => {
  await withStyle(async (master, styleId) => {
    await callAdmin(master, "POST", "styles", { ...draft(styleId), is_active: false });
    const photo_path = await uploadSelfie(master);
    const tryIt = (body: Record<string, unknown>) =>
      callAdmin(master, "POST", `styles/${styleId}/test`, body);

    const early = await tryIt({ photo_path });
    assert.deepEqual(refusalOf(early).slice(0, 2), [404, "STYLE_NOT_FOUND"], "it has no prompt");
    await callAdmin(master, "PUT", `styles/${styleId}/prompt`, { master_prompt: "Draw" });
    for (
      const [bad, field] of [
        [{ photo_path: `${crypto.randomUUID()}/x.jpg` }, "photo_path"],
        [{ photo_path: `${master.id}/nothing-there.jpg` }, "photo_path"],
        [{ photo_path, master_prompt: " " }, "master_prompt"],
        [{ photo_path, aspect_ratio: "5:4" }, "aspect_ratio"],
        [{}, "photo_path"],
      ] as const
    ) {
      assert.deepEqual(refusalOf(await tryIt(bad)), [400, "INVALID_INPUT", field]);
    }

    const tests = await Promise.all([
      tryIt({ photo_path }),
      tryIt({ photo_path, master_prompt: "Secret draft" }),
    ]);
    for (const { status, body } of tests) {
      assert.deepEqual([status, body.state], [202, "waiting"]);
      assert.equal((await finished(body.generation_id, master.token)).state, "success");
    }
    const attempts = await sql`
      select prompt_version from private.generation_attempts
      where generation_id in ${sql(tests.map(({ body }) => body.generation_id))} order by 1`;
    assert.deepEqual(attempts.map(({ prompt_version }) => prompt_version), [0, 1]);
    assert.equal(await creditsOf(master.id), 500);
    const { body: { styles } } = await callAdmin(master, "GET", "styles");
    const style = styles.find((row: { id: string }) => row.id === styleId);
    assert.deepEqual([style.usage_count, style.prompt_version], [0, 1], "as before");
    assert.ok(!JSON.stringify(await auditOf(styleId)).includes("Secret"));

    await sql`update private.rate_limits set hits = 10 where name = ${`style-test:${master.id}`}`;
    assert.deepEqual(refusalOf(await tryIt({ photo_path })).slice(0, 2), [429, "RATE_LIMITED"]);
  });
});
