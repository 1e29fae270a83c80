import { z } from "zod";
import { authenticate, requireUser } from "../../_shared/auth.ts";
import { admin, rpc } from "../../_shared/database.ts";
import { ApiError } from "../../_shared/errors.ts";
import { type AppContext, inBackground, ok } from "../../_shared/http.ts";
import { runFileTasks } from "../files.ts";

/** Enough for one photo or a person's recent ones; the sweeper does the rest. */
const FILE_TASKS = 20;

/** `DELETE /cabina-vision/generations/{id}`, for its owner or whoever holds a guest's id. */
export async function deleteGeneration(c: AppContext) {
  const { userId } = await authenticate(c.req.raw);
  const id = z.uuid().safeParse(c.req.param("id"));
  if (!id.success) throw new ApiError("GENERATION_NOT_FOUND");
  await rpc("delete_generation", { p_generation_id: id.data, p_user_id: userId });
  inBackground(runFileTasks(FILE_TASKS));
  return ok(c, { deleted: true });
}

/**
 * `DELETE /cabina-vision/account`: erases the person who asks. The account is deleted in one
 * transaction, whose triggers tombstone the photos, queue the files and write off the balance.
 */
export async function deleteAccount(c: AppContext) {
  const userId = await requireUser(c.req.raw);
  const { error } = await admin().auth.admin.deleteUser(userId);
  // Gone already: the person asked twice.
  if (error !== null && error.status !== 404) throw new ApiError("UNAVAILABLE", { cause: error });
  inBackground(runFileTasks(FILE_TASKS));
  return ok(c, { deleted: true });
}
