// `npm run export`: an event's pictures in a folder.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { addExported, addManyExported, makePng } from "./export_fixtures.ts";
import { callHost, createHostedEvent, PIN } from "./host.ts";
import { stack, test } from "./stack.ts";

const picture = await makePng(40);

/** Runs it with what every run needs; what it printed is one text. */
async function runExport(slug: string, out: string, ...more: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-check"],
      fileURLToPath(new URL("../../../scripts/export.ts", import.meta.url)),
      ...["--event", slug, "--pin", PIN, "--out", out],
      ...["--url", stack.api_url, "--key", stack.publishable_key, ...more],
    ],
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

test("npm run export brings all parts into a folder, and later only what changed", async () => {
  const { id, slug, host } = await createHostedEvent();
  await addManyExported(id, [picture], 201);
  const gone = await addExported(id, picture);
  await addExported(id, picture, { bucket: null });
  const out = await Deno.makeTempDir();
  const pictures = async () =>
    (await Array.fromAsync(Deno.readDir(out))).map(({ name }) => name)
      .filter((name) => name.endsWith(".png")).sort();
  const lines = async () => (await Deno.readTextFile(join(out, "manifest.csv"))).split("\r\n");
  try {
    const first = await runExport(slug, out);
    assert.equal(first.code, 0, first.text);
    assert.match(first.text, /202 pictures and manifest.csv .*\n1 were missing/);
    assert.equal((await pictures()).length, 202);
    assert.equal((await lines()).length, 1 + 203 + 1);
    assert.deepEqual(
      await Deno.readFile(join(out, (await pictures())[201]!)),
      new Uint8Array(picture),
    );

    await callHost(host, "DELETE", `photos/${gone.id}`);
    const second = await runExport(slug, out);
    assert.match(second.text, /Part 1 of 2: 200 photos, here already\nPart 2 of 2: 2 photos, /);
    assert.equal((await pictures()).length, 201);
    assert.equal((await lines()).length, 1 + 202 + 1);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});

test("npm run export says what it lacks", async () => {
  const { slug } = await createHostedEvent();
  const out = await Deno.makeTempDir();
  try {
    const refused = await runExport(slug, out, "--pin", "000000");
    assert.equal(refused.code, 1);
    assert.match(refused.text, new RegExp(`export of ${slug} stopped: 401 UNAUTHENTICATED`));
    const unknown = await runExport(slug, out, "--colour", "red");
    assert.equal(unknown.code, 2);
    assert.match(unknown.text, /--colour[^]*npm run export -- --event/);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
