import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { idParams } from "../../_shared/fields.ts";
import { inBackground } from "../../_shared/http.ts";
import { route } from "../../_shared/route.ts";
import { deleteUser } from "../../_shared/service.ts";
import { runFileTasks } from "../files.ts";

/** Enough for one photo or a person's recent ones; the sweeper does the rest. */
const FILE_TASKS = 20;

const deleted = z.object({ deleted: z.literal(true) });

export const deleteGeneration = route({
  method: "delete",
  path: "/generations/:id",
  credential: "caller",
  summary: "Deletes a photo, for its owner or whoever holds a guest's id.",
  description:
    "Its files go; a photo that is being made is finished and discarded. Nothing is refunded.",
  params: idParams,
  invalidParams: "GENERATION_NOT_FOUND",
  answer: deleted,
  errors: ["GENERATION_NOT_FOUND"],
  async handle({ actor, params }) {
    await rpc("delete_generation", { p_generation_id: params.id, p_user_id: actor.userId });
    inBackground(runFileTasks(FILE_TASKS));
    return { deleted: true as const };
  },
});

export const deleteAccount = route({
  method: "delete",
  path: "/account",
  credential: "account",
  summary: "Erases the person who asks.",
  description:
    "The account is deleted in one transaction, whose triggers tombstone the photos, queue " +
    "the files and write off the balance. The history of credits stays, without a name.",
  answer: deleted,
  errors: [],
  async handle({ actor }) {
    await deleteUser(actor);
    inBackground(runFileTasks(FILE_TASKS));
    return { deleted: true as const };
  },
});
