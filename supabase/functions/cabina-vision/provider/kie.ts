import { z } from "zod";
import { fetchOnceAnew } from "../../_shared/fetch.ts";
import { describeError } from "../../_shared/log.ts";
import { adviceFor, canRetryTask, isContentRefusal } from "./kie_codes.ts";
import { openPicture } from "./download.ts";
import type { Advice, PictureJob, Provider, SubmitOutcome, TaskState } from "./provider.ts";

/**
 * Kie.ai. Facts behind this module, all from its public pages and reports of integrators: the body's
 * `code` is the truth, not the HTTP status; `msg` is sometimes `message`; there is no idempotency key;
 * non-JSON answers occur; a scripting user agent may be refused by its CDN.
 */
export interface KieOptions {
  apiUrl: string;
  /** Host of file uploads; null when the provider can reach our storage. */
  uploadUrl: string | null;
  /** host[:port] of result files; anything else is never fetched. */
  resultHosts: string[];
}

const USER_AGENT = "cabina/1.0 (+https://supabase.com/docs/guides/functions)";
const SUBMIT_TIMEOUT_MS = 20_000;
const LOOK_TIMEOUT_MS = 10_000;

const envelope = z.looseObject({
  code: z.coerce.number(),
  msg: z.string().nullish(),
  message: z.string().nullish(),
  data: z.unknown().optional(),
});

type Answer =
  | { kind: "envelope"; code: number; message: string; data: unknown }
  | { kind: "other"; status: number; detail: string }
  | { kind: "none"; wasSent: boolean; detail: string };

/** The input of a model. Ids and fields are not uniform: see the provider's page of each model. */
function inputFor(job: PictureJob): Record<string, unknown> {
  const common = { prompt: job.prompt, output_format: job.outputFormat };
  switch (job.model) {
    case "google/nano-banana-edit":
      return {
        ...common,
        image_urls: [job.imageUrl],
        image_size: job.aspectRatio,
        output_format: job.outputFormat === "jpg" ? "jpeg" : job.outputFormat,
      };
    case "nano-banana-2-lite":
      return { prompt: job.prompt, image_urls: [job.imageUrl], aspect_ratio: job.aspectRatio };
    default:
      return {
        ...common,
        image_input: [job.imageUrl],
        aspect_ratio: job.aspectRatio,
        resolution: job.resolution,
      };
  }
}

/** A client of Kie.ai. */
export function createKie(options: KieOptions): Provider {
  async function call(
    url: string,
    apiKey: string,
    timeoutMs: number,
    init: RequestInit = {},
  ): Promise<Answer> {
    let response: Response;
    let text: string;
    try {
      // The signal covers headers and body: a body that stalls is no answer either.
      // Once: a creation that is sent again may be billed again. A question may be asked again.
      response = await (init.body === undefined ? fetch : fetchOnceAnew)(url, {
        ...init,
        headers: { authorization: `Bearer ${apiKey}`, "user-agent": USER_AGENT, ...init.headers },
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (error) {
      const detail = describeError(error);
      // A connection that was never made cannot have carried the request.
      const wasSent = !/connection refused|dns error|failed to lookup|connect error/i.test(detail);
      return { kind: "none", wasSent, detail };
    }
    try {
      const parsed = envelope.parse(JSON.parse(text));
      return {
        kind: "envelope",
        code: parsed.code,
        message: parsed.msg ?? parsed.message ?? "",
        data: parsed.data,
      };
    } catch {
      return {
        kind: "other",
        status: response.status,
        detail: `HTTP ${response.status}: ${text.slice(0, 120)}`,
      };
    }
  }

  const json = (body: unknown): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

  return {
    async submit(apiKey, job): Promise<SubmitOutcome> {
      const answer = await call(
        `${options.apiUrl}/api/v1/jobs/createTask`,
        apiKey,
        SUBMIT_TIMEOUT_MS,
        json({
          model: job.model,
          ...(job.callbackUrl !== undefined && { callBackUrl: job.callbackUrl }),
          input: inputFor(job),
        }),
      );
      if (answer.kind === "none") {
        return answer.wasSent
          ? { kind: "lost", detail: answer.detail }
          : refused("NETWORK", answer.detail, { then: "retry", key: "keep", isContent: false });
      }
      if (answer.kind === "other") {
        // 4xx without an envelope comes from the CDN in front: the provider never saw the request.
        return answer.status >= 400 && answer.status < 500
          ? refused(String(answer.status), answer.detail, {
            then: "retry",
            key: "cool_down",
            isContent: false,
          })
          : { kind: "lost", detail: answer.detail };
      }
      // A task id counts whatever the code: 500 and 505 have been seen together with one.
      const task = z.looseObject({ taskId: z.string().min(1) }).safeParse(answer.data);
      if (task.success) return { kind: "accepted", taskId: task.data.taskId };
      return refused(String(answer.code), answer.message, adviceFor(answer.code, answer.message));
    },

    async look(apiKey, taskId): Promise<TaskState> {
      const answer = await call(
        `${options.apiUrl}/api/v1/jobs/recordInfo?taskId=${encodeURIComponent(taskId)}`,
        apiKey,
        LOOK_TIMEOUT_MS,
      );
      if (answer.kind !== "envelope") return { kind: "unavailable", detail: answer.detail };
      if (answer.code === 404 || (answer.code === 422 && !answer.data)) return { kind: "unknown" };
      const record = taskRecord.safeParse(answer.data);
      if (answer.code !== 200 || !record.success) {
        return { kind: "unavailable", detail: `${answer.code}: ${answer.message}` };
      }
      return toTaskState(record.data);
    },

    async balance(apiKey) {
      const answer = await call(
        `${options.apiUrl}/api/v1/chat/credit`,
        apiKey,
        LOOK_TIMEOUT_MS,
      );
      const isWell = answer.kind === "envelope" && answer.code === 200;
      return isWell && typeof answer.data === "number" ? answer.data : null;
    },

    download: (apiKey, urls) =>
      openPicture(urls, {
        hosts: options.resultHosts,
        userAgent: USER_AGENT,
        async renew(url) {
          const answer = await call(
            `${options.apiUrl}/api/v1/common/download-url`,
            apiKey,
            LOOK_TIMEOUT_MS,
            json({ url }),
          );
          return answer.kind === "envelope" && typeof answer.data === "string" ? answer.data : null;
        },
      }),

    upload: options.uploadUrl === null ? null : async (apiKey, photo, fileName) => {
      const form = new FormData();
      form.append("file", photo, fileName);
      form.append("uploadPath", "cabina");
      form.append("fileName", fileName);
      const answer = await call(
        `${options.uploadUrl}/api/file-stream-upload`,
        apiKey,
        SUBMIT_TIMEOUT_MS,
        { method: "POST", body: form },
      );
      const file = z.looseObject({
        downloadUrl: z.string().optional(),
        fileUrl: z.string().optional(),
      })
        .safeParse(answer.kind === "envelope" ? answer.data : null);
      const url = file.success ? file.data.downloadUrl ?? file.data.fileUrl : undefined;
      if (url === undefined) throw new Error("the provider did not take the upload");
      return url;
    },
  };
}

const taskRecord = z.looseObject({
  state: z.string(),
  param: z.unknown().optional(),
  resultJson: z.unknown().optional(),
  failCode: z.coerce.string().nullish(),
  failMsg: z.string().nullish(),
  createTime: z.number().nullish(),
  completeTime: z.number().nullish(),
  creditsConsumed: z.number().nullish(),
});

function toTaskState(record: z.infer<typeof taskRecord>): TaskState {
  const request = typeof record.param === "string"
    ? record.param
    : JSON.stringify(record.param ?? "");
  switch (record.state) {
    case "success":
      return {
        kind: "success",
        request,
        urls: resultUrls(record.resultJson),
        latencyMs: record.completeTime && record.createTime
          ? record.completeTime - record.createTime
          : null,
        cost: record.creditsConsumed ?? null,
      };
    case "fail": {
      const code = record.failCode || "unknown";
      const detail = record.failMsg ?? "";
      const isContent = isContentRefusal(code, detail);
      const canRetry = !isContent && canRetryTask(code);
      return { kind: "fail", request, code, detail, isContent, canRetry };
    }
    default:
      return { kind: "running", request };
  }
}

/** `resultJson` is a string of JSON, now and then an object, and has been met empty and malformed. */
function resultUrls(value: unknown): string[] {
  try {
    const parsed = typeof value === "string" ? JSON.parse(value) : value;
    return z.looseObject({ resultUrls: z.array(z.string()) }).parse(parsed).resultUrls;
  } catch {
    return [];
  }
}

function refused(code: string, detail: string, advice: Advice): SubmitOutcome {
  return { kind: "refused", code, detail, ...advice };
}
