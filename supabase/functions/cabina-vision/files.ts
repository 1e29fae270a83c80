import { crashPoint } from "../_shared/crash_point.ts";
import { rpc } from "../_shared/database.ts";
import { describeError, log } from "../_shared/log.ts";
import { move, publicBucketUrl, remove } from "../_shared/storage.ts";

/** A row of `claim_file_tasks`. */
interface FileTask {
  task_id: number;
  action: "remove" | "move";
  bucket: string;
  path: string;
  to_bucket: string | null;
}

/**
 * Does up to `limit` planned removals and moves. A task that storage does not confirm comes again,
 * later each time. Returns how many are done.
 */
export async function runFileTasks(limit: number): Promise<number> {
  const tasks = await rpc<FileTask[]>("claim_file_tasks", { p_limit: limit });
  const done: number[] = [];

  const removals = Map.groupBy(
    tasks.filter((task) => task.action === "remove"),
    (task) => task.bucket,
  );
  for (const [bucket, group] of removals) {
    await attempt(() => remove(bucket, group.map((task) => task.path)), group);
  }
  for (const task of tasks) {
    if (task.to_bucket !== null) {
      await attempt(() => move(task.path, task.bucket, task.to_bucket!), [task]);
    }
  }

  async function attempt(work: () => Promise<void>, group: FileTask[]): Promise<void> {
    try {
      await work();
      done.push(...group.map((task) => task.task_id));
    } catch (error) {
      log("warn", "file_tasks_failed", { count: group.length, error: describeError(error) });
    }
  }

  if (done.length === 0) return 0;
  crashPoint("11-file-removed");
  return await rpc<number>("finish_file_tasks", {
    p_task_ids: done,
    p_public_base_url: publicBucketUrl("generations"),
  });
}
