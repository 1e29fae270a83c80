/** What this function needs of an AI provider. Kie.ai is the one there is; another is one more module. */
export interface Provider {
  /** Asks for a picture. Never throws: every way it can go is an outcome. */
  submit(apiKey: string, job: PictureJob): Promise<SubmitOutcome>;
  /** Asks how a task is doing. Never throws. */
  look(apiKey: string, taskId: string): Promise<TaskState>;
  /** What the account of a key has left, in the provider's credits; null when the key is not well. Never throws. */
  balance(apiKey: string): Promise<number | null>;
  /** Opens the finished picture. @throws {Error} when no link of the task leads to one */
  download(apiKey: string, urls: string[]): Promise<Picture>;
  /**
   * Makes a photo reachable for the provider when our own addresses are not: uploads it.
   * Null when the provider can fetch from us.
   */
  upload: ((apiKey: string, photo: Blob, fileName: string) => Promise<string>) | null;
}

export interface PictureJob {
  model: string;
  prompt: string;
  imageUrl: string;
  aspectRatio: string;
  resolution: string;
  outputFormat: string;
  /** Absent when the provider cannot reach us. */
  callbackUrl?: string;
}

/**
 * What became of a submission.
 * - `accepted`: the provider has a task.
 * - `refused`: it has none, for sure. `then` says what helps: another `retry` later, or nothing (`fail`);
 *   `key` says what it means for the key.
 * - `lost`: nobody knows; it may have been accepted and billed, so it is not repeated at once.
 */
export type SubmitOutcome =
  | { kind: "accepted"; taskId: string }
  | { kind: "lost"; detail: string }
  | ({ kind: "refused"; code: string; detail: string } & Advice);

export interface Advice {
  then: "retry" | "fail";
  key: KeyAction;
  /** Whether the provider objected to the content. */
  isContent: boolean;
}

/**
 * What a refusal says about the key: nothing; its account must rest; or the key, or all keys of its account,
 * are of no use until somebody does something about it.
 */
export type KeyAction = "keep" | "cool_down" | "suspend" | "suspend_account";

/** `request` is the provider's record of what we asked, as text: proof of whose task it is. */
export type TaskState =
  | { kind: "running"; request: string }
  | {
    kind: "success";
    request: string;
    urls: string[];
    latencyMs: number | null;
    cost: number | null;
  }
  | {
    kind: "fail";
    request: string;
    code: string;
    detail: string;
    canRetry: boolean;
    isContent: boolean;
  }
  /** The provider does not know the task: too new, or gone. */
  | { kind: "unknown" }
  /** The provider did not say. */
  | { kind: "unavailable"; detail: string };

export interface Picture {
  contentType: string;
  body: ReadableStream<Uint8Array>;
  /** Why the body broke off at its source; undefined while it has not. */
  failure(): unknown;
}
