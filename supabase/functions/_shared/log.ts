import { tryGetContext } from "hono/context-storage";

/** What a log line may carry: ids, codes, numbers. Never a photo, prompt, key, token or contact. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

type Level = "info" | "warn" | "error";
const LEVELS: Level[] = ["info", "warn", "error"];

/** The hosted platform cuts a message after 10,000 characters. */
const MAX_LINE = 9_000;
/** An error may quote a whole answer of somebody else. */
const MAX_TEXT = 300;

/**
 * The one line about a request or a sweep: what was asked, how it ended, and as `steps` what happened on
 * the way, work after the answer included. The hosted platform drops more than 100 lines in 10 seconds, so
 * a busy evening must not write one for everything.
 */
export class RequestLine {
  /** True for a request that is no news: its line is written only when something on the way was. */
  isRoutine = false;
  #level: Level = "info";
  #fields: LogFields = {};
  #steps: LogFields[] = [];
  #open = 1;

  /** What is known of the request. */
  note(fields: LogFields): void {
    Object.assign(this.#fields, fields);
  }

  /** Adds a step. The line has the gravest level of its steps. */
  add(level: Level, step: string, fields: LogFields): void {
    if (LEVELS.indexOf(level) > LEVELS.indexOf(this.#level)) {
      this.#level = level;
    }
    this.#steps.push({ step, ...(level !== "info" && { level }), ...fields });
  }

  /** The steps that were measured so far: name and milliseconds. */
  timings(): [string, number][] {
    return this.#steps.flatMap(({ step, ms }) =>
      typeof ms === "number" ? [[String(step), ms] as [string, number]] : []
    );
  }

  /** Keeps the line open until `work` has settled. */
  async hold(work: Promise<unknown>): Promise<void> {
    this.#open++;
    await work.catch(() => {}); // Whoever started the work looks after its failure.
    this.close();
  }

  /** The request is answered, or a piece of held work has settled: the last one writes the line. */
  close(): void {
    this.#open--;
    if (this.#open > 0 || (this.isRoutine && this.#level === "info")) return;
    const steps = [...this.#steps];
    const render = () => {
      const leftOut = this.#steps.length - steps.length;
      return JSON.stringify(
        {
          level: this.#level,
          event: "request",
          ...this.#fields,
          ...(steps.length > 0 && { steps }),
          ...(leftOut > 0 && { steps_left_out: leftOut }),
        },
        (_, value) => typeof value === "string" ? value.slice(0, MAX_TEXT) : value,
      );
    };
    let line = render();
    // What came last tells how it ended.
    while (line.length > MAX_LINE && steps.length > 0) {
      steps.splice(0, Math.ceil(steps.length / 4));
      line = render();
    }
    console[this.#level](line);
  }
}

/** The line of the request that is being answered, also far below its handler and in its background. */
export function currentLine(): RequestLine | undefined {
  return tryGetContext<{ Variables: { line: RequestLine } }>()?.get("line");
}

/**
 * Notes what happened: as a step of the request's line, or outside of any request as a line of its own.
 * `event` is a fixed name, e.g. `submission_refused`.
 */
export function log(level: Level, event: string, fields: LogFields = {}): void {
  const line = currentLine();
  if (line !== undefined) return line.add(level, event, fields);
  console[level](JSON.stringify({ level, event, ...fields }));
}

/**
 * Measures a step of a request, for its line and, before the answer, for its `Server-Timing` header. With
 * `outside`, the time is that of somebody else: the provider, the network, a pause.
 */
export async function timed<T>(
  step: string,
  work: Promise<T>,
  fields: LogFields & { outside?: true } = {},
): Promise<T> {
  const started = performance.now();
  try {
    return await work;
  } finally {
    const ms = Math.round((performance.now() - started) * 10) / 10;
    currentLine()?.add("info", step, { ms, ...fields });
  }
}

/**
 * What to write of something that was thrown: its name, code and message, and those of its cause.
 * supabase-js hands out errors that are plain objects, so it goes by the fields.
 */
export function describeError(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  const { name, code, message, cause } = error as Record<string, unknown>;
  const words = [name, code].filter((word) => typeof word === "string" && word !== "").join(" ");
  const because = cause === undefined ? "" : ` (cause: ${describeError(cause)})`;
  return `${words || "error"}: ${message ?? JSON.stringify(error)}${because}`;
}
