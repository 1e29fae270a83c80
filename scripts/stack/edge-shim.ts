// Preloaded into the functions and the simulators: what the hosted edge runtime adds to Deno, and
// the manners of a child process. Nothing here may keep the event loop alive.

const pending = new Set<Promise<unknown>>();

/** Longest wait for background work after SIGTERM; hosted also bounds it. */
const DRAIN_MS = 10_000;

Object.assign(globalThis, {
  EdgeRuntime: {
    /** Keeps the process alive after the answer until `work` has settled. */
    waitUntil<T>(work: Promise<T>): Promise<T> {
      const settled = Promise.resolve(work)
        .catch((error) => console.error("waitUntil:", error))
        .finally(() => pending.delete(settled));
      pending.add(settled);
      return work;
    },
  },
});

// Ctrl-C reaches every process of the terminal: the stack decides in which order they end.
Deno.addSignalListener("SIGINT", () => {});

Deno.addSignalListener("SIGTERM", async () => {
  dispatchEvent(new CustomEvent("beforeunload", { detail: { reason: "early_drop" } }));
  const deadline = new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
  await Promise.race([Promise.all(pending), deadline]);
  Deno.exit(0);
});

// A stack that was killed cannot stop its children: they notice that they were orphaned. Its id is
// told, because it may have died before this line.
const parent = Number(Deno.env.get("CABINA_STACK_PID"));
Deno.unrefTimer(setInterval(() => {
  if (Deno.ppid !== parent) Deno.exit(0);
}, 500));
