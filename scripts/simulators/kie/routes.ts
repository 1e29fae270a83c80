import { setTimeout as sleep } from "node:timers/promises";
import { type Context, Hono } from "hono";
import type { Connection } from "../serve.ts";
import type { Account, Accounts } from "./accounts.ts";
import { isLoopback } from "./callbacks.ts";
import { answer, badGatewayPage, type Envelope, REASONS, Refusal } from "./envelope.ts";
import type { Faults } from "./faults.ts";
import type { Files } from "./files.ts";
import { readJob } from "./models.ts";
import { forgedPicture } from "./pictures.ts";
import { recordOf } from "./records.ts";
import type { Runner } from "./runner.ts";
import type { RequestFault } from "./settings.ts";
import type { Task, Tasks } from "./tasks.ts";

/** What the provider is made of. */
export interface Provider {
  faults: Faults;
  accounts: Accounts;
  tasks: Tasks;
  files: Files;
  runner: Runner;
}

type ProviderContext = Context<{ Bindings: Connection }>;

/** The provider's API, as docs.kie.ai describes it and as clients found it. */
export function createApi(provider: Provider): Hono<{ Bindings: Connection }> {
  const { faults, accounts, files } = provider;
  const app = new Hono<{ Bindings: Connection }>();
  app.onError((cause) => {
    if (!(cause instanceof Refusal)) console.error("simulators: kie:", cause);
    const known = cause instanceof Refusal;
    const envelope = {
      code: known ? cause.code : 500,
      msg: known ? cause.message : REASONS[500],
      data: null,
    };
    return answer(faults.http_status, envelope);
  });

  app.post("/api/v1/jobs/createTask", async (c) => {
    const { account } = accounts.authenticate(c.req.header("authorization"));
    account.created += 1;
    try {
      return await withFault(c, account, faults.strike(account.name, "create"), async () => {
        const task = await createTask(provider, account, c);
        return { taskId: task.id };
      });
    } catch (cause) {
      if (cause instanceof Refusal && cause.code === 429) account.rejected_429 += 1;
      else account.refused += 1;
      throw cause;
    }
  });

  app.get("/api/v1/jobs/recordInfo", (c) => {
    const { account, key } = accounts.authenticate(c.req.header("authorization"));
    return withFault(c, account, faults.strike(account.name, "record_faults"), () => {
      account.passQuery(key, Date.now());
      return Promise.resolve(recordOf(findTask(provider, account, c.req.query("taskId"))));
    });
  });

  app.get("/api/v1/chat/credit", (c) => {
    const { account } = accounts.authenticate(c.req.header("authorization"));
    return answer(faults.http_status, { code: 200, msg: "success", data: account.balance });
  });

  app.post("/api/v1/common/download-url", async (c) => {
    accounts.authenticate(c.req.header("authorization"));
    const body = await c.req.json().catch(() => null);
    const base = fileBase(c);
    if (typeof body?.url !== "string" || !body.url.startsWith(`${base}/`)) {
      throw new Refusal(422, "url must be the address of a file of this service");
    }
    const address = new URL(body.url);
    const link = files.freshLink(fileName(address.pathname), faults.scale);
    const data = `${address.origin}${address.pathname}${link}`;
    return answer(faults.http_status, { code: 200, msg: "success", data });
  });

  // Results are fetched without a key.
  app.get("/files/*", async (c) => {
    const name = fileName(c.req.path);
    if (name === "forged.png") {
      const body = await forgedPicture() as Uint8Array<ArrayBuffer>;
      return c.body(body, 200, { "content-type": "image/png" });
    }
    return await files.respond(name, c.req.query("token"));
  });
  return app;
}

/** Any other route of the provider; comes last on a mounted app, whose own notFound hono does not ask. */
export function refuseRoute(faults: Faults): Response {
  return answer(faults.http_status, { code: 404, msg: REASONS[404], data: null });
}

/** Where files are served, under the address that the caller used. */
export function fileBase(c: ProviderContext): string {
  return `${new URL(c.req.url).origin}/kie/files`;
}

function fileName(path: string): string {
  return decodeURIComponent(path.slice(path.indexOf("/files/") + "/files/".length));
}

async function createTask(provider: Provider, account: Account, c: ProviderContext): Promise<Task> {
  account.passCreate(Date.now());
  const request = await c.req.json().catch(() => undefined);
  const job = readJob(request);
  const callback = request.callBackUrl ?? null;
  if (callback !== null && !(typeof callback === "string" && isLoopback(callback))) {
    throw new Refusal(
      422,
      "callBackUrl must be an http(s) URL on this machine: the simulator calls nobody else",
    );
  }
  account.debit(job.price);
  const from = { account, job, request, callback_url: callback, file_base: fileBase(c) };
  const task = provider.tasks.create(from, Date.now());
  const ended = provider.runner.run(task);
  if (task.callbacks.when === "before_answer") await ended;
  return task;
}

function findTask(provider: Provider, account: Account, id: string | undefined): Task {
  if (id === undefined || id === "") throw new Refusal(400, "taskId is required");
  const task = provider.tasks.get(id);
  const age = task === undefined ? 0 : Date.now() - task.created_at;
  if (task?.account === account && age >= task.record.unknown_ms * provider.faults.scale) {
    return task;
  }
  const { unknown_as } = task?.record ?? provider.faults.section(account.name, "record");
  if (unknown_as === "404") throw new Refusal(404, "Task not found");
  throw new Refusal(422, "recordInfo is null");
}

/** Does what was asked for, unless a fault comes before it, and answers, unless a fault comes after it. */
async function withFault(
  c: ProviderContext,
  account: Account,
  fault: RequestFault | undefined,
  action: () => Promise<unknown>,
): Promise<Response> {
  const style = account.faults.http_status;
  if (fault?.kind === "slow") await sleep(fault.ms * account.faults.scale);
  if (fault === undefined || fault.kind === "slow") {
    return answer(style, { code: 200, msg: "success", data: await action() });
  }
  const data = fault.accepted ? await action() : null;
  if (fault.kind === "code" && !fault.accepted) throw new Refusal(fault.code, reasonOf(fault));
  if (fault.kind === "code") return answer(style, { code: fault.code, msg: reasonOf(fault), data });
  if (fault.kind === "drop") c.env.drop();
  return badGatewayPage();
}

function reasonOf(fault: { code: number; msg?: string | undefined }): Envelope["msg"] {
  const reasons: Record<number, string> = REASONS;
  return fault.msg ?? reasons[fault.code] ?? `Error ${fault.code}`;
}
