import { freePort } from "./ports.ts";

/** How one child process is run. */
export interface Program {
  /** Name in the log. */
  name: string;
  /** Arguments of `deno`, from the subcommand on. */
  args: string[];
  cwd: string;
  /** The child's whole environment. */
  env: Record<string, string>;
  /** Where it listens; a free port is chosen for each start when absent. */
  port?: number;
}

/** A child process that is kept running. */
export interface Supervised {
  /** The process that answers, started when needed; undefined when it does not start. */
  ready: () => Promise<Child | undefined>;
  /** Replaces the process by one with this program; the old one finishes what it has begun. */
  restart: (program: Program) => void;
  /** Ends the process, by force after a grace. */
  stop: () => Promise<void>;
}

/** One process of a supervised program. */
export interface Child {
  pid: number;
  port: number;
  /** Requests that are under way. */
  active: number;
  /** Settles when the process has ended. */
  exited: Promise<unknown>;
  /** Asks it to end, once nothing is under way, by force after a grace; returns when it has. */
  end: (afterRequests: boolean) => Promise<void>;
}

/** A process that falls over again sooner than this is started by the next request only. */
const STABLE_MS = 1_000;
const BOOT_DEADLINE_MS = 30_000;
/** Longer than the drain of edge-shim.ts. */
const KILL_AFTER_MS = 12_000;

/**
 * Starts a program and keeps it running: a process that ends unasked is replaced at once, one
 * that does not start is tried again by later requests, at most once a second.
 */
export function supervise(initial: Program): Supervised {
  let program = initial;
  let stopping = false;
  let current = launch();

  function launch() {
    const child = spawn(program);
    const started = Date.now();
    const run = { child, dead: false, endedAt: 0, answered: probe(child) };
    child.exited.then(async () => {
      const answered = await run.answered;
      run.dead = true;
      run.endedAt = Date.now();
      if (stopping || run !== current) return;
      console.log(
        answered
          ? `[${program.name}] process ${child.pid} ended unexpectedly, starting another`
          : `[${program.name}] does not start: the error is above`,
      );
      if (answered && Date.now() - started > STABLE_MS) current = launch();
    });
    return run;
  }

  return {
    async ready() {
      const answered = await current.answered;
      if (current.dead && !stopping && (answered || Date.now() - current.endedAt > STABLE_MS)) {
        current = launch();
      }
      const { child } = current;
      return await current.answered ? child : undefined;
    },
    restart(next) {
      program = next;
      const old = current.child;
      current = launch();
      old.end(true);
    },
    async stop() {
      stopping = true;
      await current.child.end(false);
    },
  };
}

function spawn(program: Program): Child {
  const port = program.port ?? freePort();
  const process = command(program, port, "piped").spawn();
  const logged = [process.stdout, process.stderr].map((stream) => forwardLog(program.name, stream));
  const exited = Promise.all([process.status, ...logged]);
  const signal = (name: Deno.Signal) => {
    try {
      process.kill(name);
    } catch {
      // It has ended meanwhile, which is what was wanted.
    }
  };
  const child: Child = {
    pid: process.pid,
    port,
    active: 0,
    exited,
    async end(afterRequests) {
      const deadline = Date.now() + KILL_AFTER_MS;
      while (afterRequests && child.active > 0 && Date.now() < deadline) await pause(50);
      signal("SIGTERM");
      const force = setTimeout(() => signal("SIGKILL"), KILL_AFTER_MS);
      await exited;
      clearTimeout(force);
    },
  };
  return child;
}

/** The command that runs a program on a port, with its output piped or dropped. */
export function command(program: Program, port: number, output: "piped" | "null"): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: program.args,
    cwd: program.cwd,
    clearEnv: true,
    env: {
      ...program.env,
      DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`, // wins over the port a program asks for
      CABINA_STACK_PID: String(Deno.pid), // for edge-shim.ts
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: output,
    stderr: output,
  });
}

/** True once the process accepts connections, false when it ends before. */
async function probe(child: Child): Promise<boolean> {
  let ended = false;
  child.exited.then(() => ended = true);
  const deadline = Date.now() + BOOT_DEADLINE_MS;
  while (!ended && Date.now() < deadline) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port: child.port })).close();
      return true;
    } catch {
      await pause(10);
    }
  }
  return false;
}

async function forwardLog(
  name: string,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) console.log(`[${name}] ${line}`);
  }
  if (rest) console.log(`[${name}] ${rest}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
