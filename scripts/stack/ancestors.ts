/** npm, its shell and the launcher of deno stand between a terminal and this process. */
const GENERATIONS = 3;
const INTERVAL_MS = 500;

/**
 * Calls `orphaned` once one of the processes that started this one has died: killing npm ends
 * npm alone, and nothing tells us. Does not keep the event loop alive.
 */
export function watchAncestors(orphaned: () => void): void {
  const before = ancestors();
  const timer = setInterval(() => {
    if (ancestors() === before) return;
    clearInterval(timer);
    orphaned();
  }, INTERVAL_MS);
  Deno.unrefTimer(timer);
}

/** Process ids from the parent upwards; only the parent's where there is no /proc. */
function ancestors(): string {
  const line = [Deno.ppid];
  while (Deno.build.os === "linux" && line.length < GENERATIONS && Number(line.at(-1)) > 1) {
    line.push(parentOf(Number(line.at(-1))));
  }
  return line.join(" ");
}

function parentOf(pid: number): number {
  try {
    // "pid (name) state parent …"; the name may contain anything, brackets included.
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}
