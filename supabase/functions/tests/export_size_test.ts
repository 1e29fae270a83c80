// An event with 2,000 photos: all of them arrive, and what that costs the function.
import assert from "node:assert/strict";
import { openArchive } from "./archive.ts";
import { addManyExported, fetchPart, makePng } from "./export_fixtures.ts";
import { callHost, createHostedEvent } from "./host.ts";
import { findProcess, usageOf } from "./process_usage.ts";
import { sql, stack, test } from "./stack.ts";

const PHOTOS = 2000;
/** Less than the pictures of a part, which are 60 MB. */
const MAX_GROWTH_BYTES = 32 * 1024 * 1024;
const MAX_PART_CPU_SECONDS = 1;

test("an event with 2,000 photos arrives through all its parts, at little cost", async () => {
  const { id, host } = await createHostedEvent();
  const pictures = await Promise.all([300, 310, 320, 330].map((width) => makePng(width)));
  await addManyExported(id, pictures, PHOTOS);
  await loseOne(id);

  const { body } = await callHost(host, "GET", "export");
  assert.equal(body.photos, PHOTOS);
  assert.equal(body.parts.length, PHOTOS / 200);
  const process = await findProcess("event-admin", stack.api_url);
  const usage = () => process === null ? null : usageOf(process);
  await workAWhile();
  const idle = await usage();
  let largest = 0;

  const names = new Set<string>();
  let missing = 0;
  for (const { part, url } of body.parts) {
    const before = await usage();
    const response = await fetch(url, { headers: { "x-host-token": host.pinToken } });
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of response.body!) {
      chunks.push(chunk);
      if (chunks.length % 20 === 0) {
        largest = Math.max(largest, (await usage())?.residentBytes ?? 0);
      }
    }
    const after = await usage();
    const seconds = after && before ? after.cpuSeconds - before.cpuSeconds : 0;
    assert.ok(seconds < MAX_PART_CPU_SECONDS, `part ${part} took ${seconds} s of CPU`);

    const archive = await new Blob(chunks).bytes();
    await unzip(archive);
    const files = openArchive(archive);
    const manifest = new TextDecoder().decode(files.pop()!.bytes);
    missing += manifest.split(",missing\r\n").length - 1;
    for (const { name } of files) names.add(name);
  }
  assert.deepEqual([names.size, missing], [PHOTOS - 1, 1]);
  if (idle === null) return console.log("  this system does not tell what a process uses");
  const growth = largest - idle.residentBytes;
  assert.ok(growth < MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`);
});

/**
 * Has the function export as many pictures, but tiny ones: code is loaded then, and V8 has taken the
 * room that it gives to any process with some traffic.
 */
async function workAWhile(): Promise<void> {
  const { id, host } = await createHostedEvent();
  await addManyExported(id, [await makePng(16)], 200);
  for (let i = 0; i < PHOTOS / 200; i++) {
    openArchive(await (await fetchPart(host, "part=1")).bytes());
  }
}

/** Has the file of one photo in the middle gone. */
async function loseOne(eventId: string): Promise<void> {
  await sql`
    update storage.objects set name = name || '.lost'
    where bucket_id = 'generations' and name = (
      select result_path from public.generations where event_id = ${eventId}
      order by succeeded_at offset ${PHOTOS / 2} limit 1)`;
}

/** Asks Info-ZIP too, where there is one. */
async function unzip(archive: Uint8Array<ArrayBuffer>): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".zip" });
  try {
    await Deno.writeFile(file, archive);
    const { success, stderr } = await new Deno.Command("unzip", { args: ["-tqq", file] }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  } finally {
    await Deno.remove(file);
  }
}
