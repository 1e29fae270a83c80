import assert from "node:assert/strict";
import sharp from "sharp";
import { createKie } from "./kie.ts";
import type { SubmitOutcome, TaskState } from "./provider.ts";

const job = {
  model: "nano-banana-2",
  prompt: "a prompt",
  imageUrl: "https://photos.example/a.jpg",
  aspectRatio: "3:4",
  resolution: "1K",
  outputFormat: "png",
};
const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
  .png().toBuffer();

/** A provider behind a real server that answers every request as told. */
async function withProvider(
  handler: (request: Request) => Response | Promise<Response>,
  body: (provider: ReturnType<typeof createKie>, origin: string) => Promise<void>,
) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  const host = `127.0.0.1:${server.addr.port}`;
  try {
    await body(
      createKie({ apiUrl: `http://${host}`, uploadUrl: null, resultHosts: [host] }),
      `http://${host}`,
    );
  } finally {
    await server.shutdown();
  }
}

const submissions: [string, () => Response, Partial<SubmitOutcome>][] = [
  ["success", () => Response.json({ code: 200, msg: "success", data: { taskId: "t" } }), {
    kind: "accepted",
    taskId: "t",
  }],
  ["500 with a task", () => Response.json({ code: 500, data: { taskId: "t" } }), {
    kind: "accepted",
    taskId: "t",
  }],
  ["HTTP 401", () => Response.json({ code: 401, message: "no" }, { status: 401 }), {
    kind: "refused",
    then: "retry",
    key: "suspend",
  }],
  ["401 inside 200", () => Response.json({ code: 401, msg: "no", data: null }), {
    kind: "refused",
    then: "retry",
    key: "suspend",
  }],
  ["402", () => Response.json({ code: 402, msg: "top up" }), {
    kind: "refused",
    then: "retry",
    key: "suspend_account",
  }],
  ["433", () => Response.json({ code: 433, msg: "cap" }), {
    kind: "refused",
    then: "retry",
    key: "suspend",
  }],
  ["404", () => Response.json({ code: 404, msg: "no" }), {
    kind: "refused",
    then: "fail",
    key: "keep",
  }],
  ["408", () => Response.json({ code: 408, msg: "no" }), {
    kind: "refused",
    then: "retry",
    key: "keep",
  }],
  ["501", () => Response.json({ code: 501, msg: "no" }), {
    kind: "refused",
    then: "retry",
    key: "keep",
  }],
  ["599", () => Response.json({ code: 599, msg: "no" }), {
    kind: "refused",
    then: "retry",
    key: "keep",
  }],
  ["429", () => Response.json({ code: 429, msg: "slow" }), {
    kind: "refused",
    then: "retry",
    key: "cool_down",
  }],
  ["455", () => Response.json({ code: 455, msg: "maintenance" }), {
    kind: "refused",
    then: "retry",
    key: "cool_down",
  }],
  ["422", () => Response.json({ code: 422, msg: "model name not supported" }), {
    kind: "refused",
    then: "fail",
    key: "keep",
  }],
  ["505", () => Response.json({ code: 505, msg: "disabled" }), {
    kind: "refused",
    then: "fail",
    key: "keep",
  }],
  ["400 content", () => Response.json({ code: 400, msg: "content policy" }), {
    kind: "refused",
    then: "fail",
    isContent: true,
  }],
  ["500", () => Response.json({ code: 500, msg: "oops" }), {
    kind: "refused",
    then: "retry",
    key: "keep",
  }],
  ["500 is required", () => Response.json({ code: 500, msg: "prompt is required" }), {
    kind: "refused",
    then: "fail",
  }],
  ["500 credits", () => Response.json({ code: 500, msg: "Credits insufficient" }), {
    kind: "refused",
    key: "suspend_account",
  }],
  ["code as text", () => Response.json({ code: "429", msg: "slow" }), {
    kind: "refused",
    key: "cool_down",
  }],
  ["502 of HTML", () => new Response("<html>", { status: 502 }), { kind: "lost" }],
  ["200 of HTML", () => new Response("<html>"), { kind: "lost" }],
  ["403 of the CDN", () => new Response("error code: 1010", { status: 403 }), {
    kind: "refused",
    then: "retry",
    key: "cool_down",
  }],
];

for (const [name, answer, expected] of submissions) {
  Deno.test(`createKie().submit() on ${name}`, () =>
    withProvider(answer, async (kie) => {
      const outcome = await kie.submit("key", job);
      for (const [field, value] of Object.entries(expected)) {
        assert.equal(
          outcome[field as keyof SubmitOutcome],
          value,
          `${field} of ${JSON.stringify(outcome)}`,
        );
      }
    }));
}

Deno.test("createKie().submit() is lost when the connection drops, and not sent when there is none", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  const kie = createKie({ apiUrl: `http://127.0.0.1:${port}`, uploadUrl: null, resultHosts: [] });
  const dropped = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
    connection.close();
  })();
  assert.equal((await kie.submit("key", job)).kind, "lost");
  await dropped;
  listener.close();
  const refused = await kie.submit("key", job);
  assert.deepEqual([refused.kind, "then" in refused && refused.then], ["refused", "retry"]);
});

Deno.test("createKie().submit() sends what the model of the job wants", async () => {
  const seen: Record<string, unknown>[] = [];
  await withProvider(async (request) => {
    assert.equal(request.headers.get("authorization"), "Bearer key");
    assert.match(request.headers.get("user-agent") ?? "", /^cabina/);
    seen.push(await request.json());
    return Response.json({ code: 200, data: { taskId: "t" } });
  }, async (kie) => {
    await kie.submit("key", { ...job, callbackUrl: "https://us.example/callback" });
    await kie.submit("key", { ...job, model: "google/nano-banana-edit", outputFormat: "jpg" });
  });
  assert.deepEqual(seen[0], {
    model: "nano-banana-2",
    callBackUrl: "https://us.example/callback",
    input: {
      prompt: "a prompt",
      image_input: ["https://photos.example/a.jpg"],
      aspect_ratio: "3:4",
      resolution: "1K",
      output_format: "png",
    },
  });
  assert.deepEqual(seen[1]?.input, {
    prompt: "a prompt",
    image_urls: ["https://photos.example/a.jpg"],
    image_size: "3:4",
    output_format: "jpeg",
  });
});

const record = {
  taskId: "t",
  param: "{}",
  createTime: 1000,
  completeTime: 9000,
  creditsConsumed: 8,
};
const looks: [string, unknown, Partial<TaskState>][] = [
  ["queuing", { code: 200, data: { ...record, state: "queuing" } }, {
    kind: "running",
    request: "{}",
  }],
  ["success, result as text", {
    code: 200,
    data: { ...record, state: "success", resultJson: '{"resultUrls":["u"]}' },
  }, { kind: "success", urls: ["u"], latencyMs: 8000, cost: 8 }],
  ["success, result as object", {
    code: 200,
    data: { ...record, state: "success", resultJson: { resultUrls: ["u"] } },
  }, { kind: "success", urls: ["u"] }],
  ["success, result malformed", {
    code: 200,
    data: { ...record, state: "success", resultJson: "{" },
  }, { kind: "success", urls: [] }],
  ["transient failure", {
    code: 200,
    data: { ...record, state: "fail", failCode: "500", failMsg: "busy" },
  }, { kind: "fail", canRetry: true, isContent: false }],
  ["permanent failure", {
    code: 200,
    data: { ...record, state: "fail", failCode: 422, failMsg: "bad photo" },
  }, { kind: "fail", canRetry: false }],
  ["moderation", {
    code: 200,
    data: { ...record, state: "fail", failCode: "501", failMsg: "flagged by moderation" },
  }, { kind: "fail", canRetry: false, isContent: true }],
  ["unknown task 404", { code: 404, msg: "Task not found" }, { kind: "unknown" }],
  ["unknown task 422", { code: 422, msg: "recordInfo is null", data: null }, { kind: "unknown" }],
  ["too fast", { code: 429, msg: "slow" }, { kind: "unavailable" }],
  ...[400, 401, 402, 433, 455, 500, 505].map((code): [string, unknown, Partial<TaskState>] => [
    `${code}, which says nothing of the task`,
    { code, msg: "no", data: null },
    { kind: "unavailable" },
  ]),
  ...["408", "429", "455", "500", "501", "odd"].map((
    failCode,
  ): [string, unknown, Partial<TaskState>] => [
    `a task that failed with ${failCode}`,
    { code: 200, data: { ...record, state: "fail", failCode, failMsg: "busy" } },
    { kind: "fail", code: failCode, canRetry: true, isContent: false, request: "{}" },
  ]),
  ...["400", "401", "402", "404", "422", "433", "505"].map((
    failCode,
  ): [string, unknown, Partial<TaskState>] => [
    `a task that failed with ${failCode}`,
    { code: 200, data: { ...record, state: "fail", failCode, failMsg: "no" } },
    { kind: "fail", code: failCode, canRetry: false, isContent: false },
  ]),
  ["null data", { code: 200, data: null }, { kind: "unavailable" }],
];

for (const [name, answer, expected] of looks) {
  Deno.test(`createKie().look() on ${name}`, () =>
    withProvider(() => Response.json(answer), async (kie) => {
      const state = await kie.look("key", "t");
      for (const [field, value] of Object.entries(expected)) {
        assert.deepEqual(state[field as keyof TaskState], value, field);
      }
    }));
}

const balances: [string, () => Response, number | null][] = [
  ["a number", () => Response.json({ code: 200, msg: "success", data: 12.5 }), 12.5],
  ["nothing left", () => Response.json({ code: 200, data: 0 }), 0],
  ["a key that is refused", () => Response.json({ code: 401, msg: "no", data: null }), null],
  ["a page", () => new Response("<html>", { status: 502 }), null],
  ["text", () => Response.json({ code: 200, data: "12" }), null],
];

for (const [name, answer, expected] of balances) {
  Deno.test(`createKie().balance() on ${name}`, () =>
    withProvider(answer, async (kie) => {
      assert.equal(await kie.balance("key"), expected);
    }));
}

Deno.test("createKie().download() renews a dead link and streams the picture", () =>
  withProvider((request) => {
    const { pathname, origin } = new URL(request.url);
    if (pathname === "/dead.png") return new Response("gone", { status: 403 });
    if (pathname === "/api/v1/common/download-url") {
      return Response.json({ code: 200, data: `${origin}/fresh.png` });
    }
    return new Response(picture, { headers: { "content-type": "text/plain" } });
  }, async (kie, origin) => {
    const result = await kie.download("key", [`${origin}/dead.png`]);
    assert.equal(result.contentType, "image/png", "by its bytes");
    assert.deepEqual(Buffer.from(await new Response(result.body).arrayBuffer()), picture);
  }));

Deno.test("createKie().download() fetches from no other host, no redirect and no page", () =>
  withProvider((request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/page") return new Response("<html>not a picture</html>");
    if (pathname === "/redirect") return Response.redirect("http://127.0.0.1:1/", 302);
    return Response.json({ code: 422, msg: "foreign url", data: null });
  }, async (kie, origin) => {
    const refuses = (url: string, why: RegExp) => assert.rejects(kie.download("key", [url]), why);
    await refuses("https://evil.example/a.png", /not in KIE_RESULT_HOSTS/);
    await refuses("file:///etc/passwd", /not in KIE_RESULT_HOSTS/);
    await refuses(`${origin}/page`, /no picture/);
    await refuses(`${origin}/redirect`, /redirect/i);
    await assert.rejects(kie.download("key", []), /without a link/);
  }));
