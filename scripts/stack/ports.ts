/** The children of a stack that was killed hold their ports until they notice (edge-shim.ts). */
const PATIENCE_MS = 1_000;

/**
 * Waits a moment until nobody listens on a port of 127.0.0.1. Throws an Error that names the port,
 * the process that holds it where that can be found out, and the variable that moves the stack.
 */
export async function assertPortFree(port: number, variable: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (true) {
    try {
      return Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new Error(`Port ${port} needs special rights: set ${variable} to one above 1023`);
      }
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
    if (Date.now() > deadline) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const owner = await portOwner(port);
  throw new Error(
    `Port ${port} is in use${owner ? ` by ${owner.name} (process ${owner.pid})` : ""}: ` +
      `stop that process, or set ${variable} to a free port`,
  );
}

/**
 * A port of 127.0.0.1 that was free a moment ago; the caller must survive losing the race. Below the
 * range from which systems give ports to outgoing connections (32768 and up): one of those would
 * take the port before it is used.
 */
export function freePort(): number {
  while (true) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** A process that listens on a port. */
export interface PortOwner {
  pid: number;
  name: string;
}

/** Whoever listens on a port, or undefined when nobody does or it cannot be seen. */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  try {
    const lsof = new Deno.Command("lsof", {
      args: ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"],
      stderr: "null",
    });
    const text = new TextDecoder().decode((await lsof.output()).stdout);
    const [, pid, name] = /^p(\d+)\nc(.+)$/m.exec(text) ?? [];
    if (pid && name) return { pid: Number(pid), name };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return Deno.build.os === "linux" ? await portOwnerFromProc(port) : undefined;
}

/** Minimal images have no lsof: find the socket's inode, then the process that holds it. */
async function portOwnerFromProc(port: number): Promise<PortOwner | undefined> {
  const table = await Deno.readTextFile("/proc/net/tcp");
  const address = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inode = table.split("\n").map((line) => line.trim().split(/\s+/))
    .find((fields) => fields[1]?.endsWith(address) && fields[3] === "0A")?.[9];
  if (!inode) return undefined;
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid) || !await holdsSocket(pid, inode)) continue;
    const name = (await Deno.readTextFile(`/proc/${pid}/comm`)).trim();
    return { pid: Number(pid), name };
  }
  return undefined;
}

async function holdsSocket(pid: string, inode: string): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
      const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => undefined);
      if (target === `socket:[${inode}]`) return true;
    }
  } catch {
    // The process ended meanwhile, or is somebody else's: it cannot be seen.
  }
  return false;
}
