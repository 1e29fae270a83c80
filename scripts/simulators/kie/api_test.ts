import assert from "node:assert/strict";
import sharp from "sharp";
import { eventually, startBench } from "./testing.ts";

const CREATE = "/kie/api/v1/jobs/createTask";
const CREDIT = "/kie/api/v1/chat/credit";

Deno.test("createTask makes a real picture of the photo and recordInfo shows it as documented", async () => {
  await using bench = await startBench();
  const id = await bench.create({ output_format: "png" }, {
    callBackUrl: `${bench.callbackUrl}?g=1`,
  });
  const record = await bench.finished(id);
  assert.equal(record.state, "success");
  assert.equal(record.taskId, id);
  assert.equal(record.creditsConsumed, 8);
  assert.equal(record.costTime, record.completeTime - record.createTime);
  assert.equal(record.failCode, "");
  const param = JSON.parse(record.param);
  assert.equal(param.callBackUrl, `${bench.callbackUrl}?g=1`);
  assert.equal(JSON.parse(param.input).aspect_ratio, "3:4");

  const [url] = JSON.parse(record.resultJson).resultUrls;
  assert.match(url, /\/kie\/files\/[0-9a-f]{32}\.png$/);
  const response = await fetch(url);
  assert.equal(response.headers.get("content-type"), "image/png");
  const { width, height, format } = await sharp(await response.bytes()).metadata();
  assert.deepEqual([width, height, format], [150, 200, "png"]);

  const { tasks } = await bench.ask("GET", `/kie/_tasks?account=${bench.account}&limit=1`);
  assert.equal(tasks[0].request.input.prompt, "A 1920s gangster");
});

Deno.test("recordInfo walks through the states", async () => {
  await using bench = await startBench();
  await bench.control({ scale: 1, latency: { kind: "fixed", ms: 900 }, limits: { queries: 1000 } });
  const id = await bench.create();
  const seen: string[] = [];
  await eventually(async () => {
    const { data } = await bench.ask("GET", `/kie/api/v1/jobs/recordInfo?taskId=${id}`);
    if (seen.at(-1) !== data.state) seen.push(data.state);
    if (data.state === "generating") {
      assert.deepEqual([data.resultJson, data.completeTime, data.costTime, data.creditsConsumed], [
        "",
        null,
        null,
        8,
      ]);
    }
    return data.state === "success" ? true : undefined;
  });
  assert.deepEqual(seen, ["waiting", "queuing", "generating", "success"]);
});

Deno.test("the API refuses wrong keys, unknown tasks and missing ids with HTTP 200 and a code", async () => {
  await using bench = await startBench();
  const id = await bench.create();
  const cases: [string, string, string | undefined, number, RegExp][] = [
    ["GET", CREDIT, "other-key", 401, /access permissions/],
    ["GET", CREDIT, "", 401, /access permissions/],
    ["GET", "/kie/api/v1/jobs/recordInfo", undefined, 400, /taskId is required/],
    ["GET", "/kie/api/v1/jobs/recordInfo?taskId=nope", undefined, 422, /recordInfo is null/],
    ["GET", `/kie/api/v1/jobs/recordInfo?taskId=${id}`, "sim-stranger", 422, /recordInfo is null/],
    ["POST", CREATE, undefined, 422, /JSON object/],
    ["GET", "/kie/api/v1/models", undefined, 404, /Not found/],
  ];
  for (const [method, path, key, code, message] of cases) {
    const answer = await bench.ask(method, path, undefined, key);
    assert.deepEqual([answer.status, answer.code, answer.data], [200, code, null], path);
    assert.match(answer.msg, message);
  }
  await bench.control({ http_status: "real" });
  assert.equal((await bench.ask("GET", CREDIT, undefined, "other-key")).status, 401);
});

Deno.test("createTask calls back this machine only", async () => {
  await using bench = await startBench();
  for (const url of ["https://example.com/x", "ftp://127.0.0.1/", "not a url", 5]) {
    await assert.rejects(bench.create({}, { callBackUrl: url }), /422 callBackUrl must be/);
  }
});

Deno.test("createTask drops the 21st task in 10 seconds of one account, whatever its key", async () => {
  await using bench = await startBench();
  const account = `limit${crypto.randomUUID()}`;
  await bench.control({ scale: 1 });
  const body = { model: "google/nano-banana", input: { prompt: "A viking" } };
  const answers = await Promise.all(
    Array.from(
      { length: 24 },
      (_, index) => bench.ask("POST", CREATE, body, `sim-${account}:${index % 3}`),
    ),
  );
  assert.equal(answers.filter((answer) => answer.code === 200).length, 20);
  assert.equal(answers.filter((answer) => answer.code === 429).length, 4);
  const { accounts } = await bench.ask("GET", "/kie/_stats");
  const stats = accounts[account];
  assert.deepEqual([stats.created, stats.accepted, stats.rejected_429], [24, 20, 4]);
  assert.deepEqual(stats.slots, { offered: 20, used: 20, windows: [20] });
  await eventually(async () => {
    const now = (await bench.ask("GET", "/kie/_stats")).accounts[account];
    return now.in_flight === 0 && now.tasks.success === 20 ? true : undefined;
  });
  assert.ok(stats.peak_in_flight > 1);
});

Deno.test("createTask takes the price, refuses an empty account and returns it when a task fails", async () => {
  await using bench = await startBench();
  await bench.control({ account: bench.account, balance: 10 });
  await bench.finished(await bench.create());
  assert.equal((await bench.ask("GET", CREDIT)).data, 2);
  await assert.rejects(bench.create(), /402 Credits insufficient/);
  await bench.control({
    account: bench.account,
    balance: 8,
    fail: { fail_code: "501", fail_msg: "no luck" },
  });
  const record = await bench.finished(await bench.create());
  assert.deepEqual([record.state, record.failCode, record.failMsg], ["fail", "501", "no luck"]);
  assert.equal((await bench.ask("GET", CREDIT)).data, 8);
});

Deno.test("a task fails when its photo cannot be fetched or is no picture", async () => {
  await using bench = await startBench();
  for (
    const [name, message] of [["gone.jpg", /could not be fetched: status 404/], [
      "text.jpg",
      /could not be read/,
    ]] as const
  ) {
    const id = await bench.create({ image_input: [new URL(name, bench.photoUrl).href] });
    const record = await bench.finished(id);
    assert.deepEqual([record.state, record.failCode], ["fail", "422"]);
    assert.match(record.failMsg, message);
  }
});

Deno.test("download-url gives a fresh link to a file of ours and refuses others", async () => {
  await using bench = await startBench();
  await bench.control({ results: { dies_after_ms: 0 } });
  const record = await bench.finished(await bench.create());
  const [url] = JSON.parse(record.resultJson).resultUrls;
  assert.equal(await statusOf(url), 403);
  const fresh = await bench.ask("POST", "/kie/api/v1/common/download-url", { url });
  assert.equal(await statusOf(fresh.data), 200);
  const invented = await bench.ask("POST", "/kie/api/v1/common/download-url", {
    url: `${bench.url}/kie/files/x.png`,
  });
  assert.equal(await statusOf(invented.data), 404);
  const foreign = await bench.ask("POST", "/kie/api/v1/common/download-url", {
    url: "https://example.com/x",
  });
  assert.equal(foreign.code, 422);
});

Deno.test("uploads by Base64, form and URL become photos for a task", async () => {
  await using bench = await startBench();
  const photo = await (await fetch(bench.photoUrl)).bytes();
  const base = await bench.ask("POST", "/kie-upload/api/file-base64-upload", {
    base64Data: `data:image/jpeg;base64,${photo.toBase64()}`,
    uploadPath: "guests/a",
    fileName: "one.jpg",
  });
  assert.deepEqual([base.success, base.code, base.data.filePath], [true, 200, "guests/a/one.jpg"]);
  const link = await bench.ask("POST", "/kie-upload/api/file-url-upload", {
    fileUrl: bench.photoUrl,
    uploadPath: "guests",
  });
  const form = new FormData();
  form.set("file", new File([photo], "two.jpg"));
  form.set("uploadPath", "guests");
  const sent = await fetch(`${bench.url}/kie-upload/api/file-stream-upload`, {
    method: "POST",
    headers: { authorization: `Bearer ${bench.key}` },
    body: form,
  });
  const stream = await sent.json();
  for (const { data } of [base, link, stream]) {
    assert.deepEqual([data.mimeType, data.fileSize], ["image/jpeg", photo.length]);
    const record = await bench.finished(await bench.create({ image_input: [data.downloadUrl] }));
    assert.equal(record.state, "success");
  }
  for (
    const [uploadPath, base64Data, message] of [["/x", "AA==", /uploadPath/], [
      "../x/",
      "AA==",
      /uploadPath/,
    ], ["x", "?", /Base64/]] as const
  ) {
    const answer = await bench.ask("POST", "/kie-upload/api/file-base64-upload", {
      uploadPath,
      base64Data,
    });
    assert.deepEqual([answer.success, answer.code], [false, 400]);
    assert.match(answer.msg, message);
  }
});

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}
