/** How many tasks the simulator of the provider made; by the photo that their callback names. */
export async function countTasks(simUrl: string): Promise<Map<string, number>> {
  const response = await fetch(`${simUrl}/kie/_tasks?limit=5000`);
  const { tasks } = await response.json() as { tasks: { request: { callBackUrl: string } }[] };
  const counts = new Map<string, number>();
  for (const { request } of tasks) {
    const id = new URL(request.callBackUrl).searchParams.get("generation")!;
    counts.set(id, 1 + (counts.get(id) ?? 0));
  }
  return counts;
}
