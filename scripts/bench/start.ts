import { isolatedEnvironment, startTestStack } from "../stack/testing.ts";
import { median, round } from "./figures.ts";

/** Starts of each kind; the median is what is reported. */
const RUNS = 5;

/** What was measured, and the goal for this machine class (2 cores). */
export interface StartResult {
  figures: Record<
    string,
    { median: number; min: number; max: number; goal: number; unit: string }
  >;
}

/**
 * Measures from the start of the process until the stack is ready, which is when all functions
 * answer: on a fresh data folder (cold) and on one that was used (warm), in turns. Memory is the
 * proportional set size of all its processes, PostgreSQL included, once it is idle (Linux only).
 */
export async function benchStart(): Promise<StartResult> {
  const cold: number[] = [];
  const warm: number[] = [];
  const memory: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const env = await isolatedEnvironment();
    for (const times of [cold, warm]) {
      const began = performance.now();
      const stack = await startTestStack(env);
      times.push((performance.now() - began) / 1000);
      if (times === warm && Deno.build.os === "linux") memory.push(await memoryOf(stack));
      await stack.stop();
    }
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
  return {
    figures: {
      "cold start": summary(cold, 6, "s"),
      "warm start": summary(warm, 2.5, "s"),
      ...(memory.length > 0 && { "idle memory": summary(memory, 700, "MB") }),
    },
  };
}

function summary(values: number[], goal: number, unit: string): StartResult["figures"][string] {
  return {
    median: round(median(values)),
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    goal,
    unit,
  };
}

/** Megabytes of the stack's process, its descendants and its database server. */
async function memoryOf(stack: { pid: number; dataDir: string }): Promise<number> {
  const parents = new Map<number, number>();
  const roots = new Set([stack.pid]);
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
    parents.set(pid, Number(/\) \S (\d+)/.exec(stat)?.[1]));
    // The server outlives the stack that started it, so it is nobody's child.
    const command = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
    if (/\/postgres\0-D\0/.test(command) && command.includes(stack.dataDir)) roots.add(pid);
  }
  const belongs = (pid: number | undefined): boolean =>
    pid !== undefined && (roots.has(pid) || belongs(parents.get(pid)));
  let kilobytes = 0;
  for (const pid of parents.keys()) {
    if (!belongs(pid)) continue;
    const rollup = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`).catch(() => "");
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return kilobytes / 1024;
}
