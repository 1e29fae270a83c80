// The provider's simulator, of whatever stack.

/** Changes what it plays. @throws when it refuses the change */
export async function changeProvider(
  simUrl: string,
  change: Record<string, unknown>,
): Promise<void> {
  const response = await fetch(`${simUrl}/kie/_control`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(change),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the simulator refused ${JSON.stringify(change)}: ${text}`);
}

/** How many tasks it made; by the photo that their callback names. */
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
