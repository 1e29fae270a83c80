/** What a process has used so far. */
export interface Usage {
  cpuSeconds: number;
  residentBytes: number;
}

/** The process in which the stack at an address runs a function; null where the system does not tell. */
export async function findProcess(functionName: string, apiUrl: string): Promise<string | null> {
  if (Deno.build.os !== "linux") return null;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (!command.includes(`/${functionName}/index.ts`)) continue;
    const environment = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (environment.split("\0").includes(`SUPABASE_URL=${apiUrl}`)) return name;
  }
  throw new Error(`no process of ${apiUrl} runs ${functionName}`);
}

/** CPU time and memory of a process of this system. */
export async function usageOf(process: string): Promise<Usage> {
  const stat = await Deno.readTextFile(`/proc/${process}/stat`);
  // Behind the name, which may hold anything: utime and stime are fields 14 and 15, in 1/100 s.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = await Deno.readTextFile(`/proc/${process}/status`);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024,
  };
}

/** How many connections a process has. */
export async function countSockets(process: string): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir(`/proc/${process}/fd`)) {
    const target = await Deno.readLink(`/proc/${process}/fd/${name}`).catch(() => "");
    if (target.startsWith("socket:")) count++;
  }
  return count;
}
