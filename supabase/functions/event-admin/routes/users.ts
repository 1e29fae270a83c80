import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import { words } from "./event_fields.ts";
import { createdKey } from "./events.ts";
import { movement, movementKey, type MovementRow } from "./movement.ts";

const role = z.enum(["user", "client", "partner", "master"]);

const user = z.object({
  id,
  email: z.string().nullable(),
  full_name: z.string().nullable(),
  role,
  credits: z.int(),
  debt: z.int().describe(
    "Credits of a purchase that was taken back after they were spent",
  ),
  total_generations: z.int().describe("Pictures delivered"),
  created_at: instant,
});
type UserRow = z.input<typeof user>;

export const listUsers = route({
  method: "get",
  path: "/users",
  credential: "account",
  summary: "A page of people's accounts, the newest first. For masters.",
  query: z.strictObject({
    ...pageQuery,
    role: role.optional(),
    q: words(100).optional().describe(
      "Part of an e-mail address or name; three letters or more are fast",
    ),
  }),
  answer: z.object({ users: z.array(user), next_cursor: nextCursor }),
  errors: ["FORBIDDEN"],
  async handle({ actor, query }) {
    const before = readCursor(query.cursor, createdKey);
    const rows = await rpc<UserRow[]>("list_users", {
      p_actor_id: actor,
      p_role: query.role ?? null,
      p_q: query.q ?? null,
      p_before: before?.[0] ?? null,
      p_before_id: before?.[1] ?? null,
      p_limit: query.limit + 1,
    });
    const { page, next_cursor } = cutPage(
      rows,
      query.limit,
      (row) => [row.created_at, row.id],
    );
    return { users: page, next_cursor };
  },
});

export const moveUserCredits = route({
  method: "post",
  path: `/users/${ID}/credits`,
  credential: "account",
  summary: "Corrects the credits of an account. For masters.",
  params: idParams,
  body: z.strictObject({
    amount: z.int().min(-1_000_000_000).max(1_000_000_000)
      .describe("Above 0 adds; below 0 takes, never more than are there"),
    reason: words(500),
    idempotency_key: movementKey,
  }),
  answer: z.object({ user, movement }),
  errors: [
    "FORBIDDEN",
    "NOT_FOUND",
    "INSUFFICIENT_CREDITS",
    "IDEMPOTENCY_CONFLICT",
  ],
  handle({ actor, params, body }) {
    return rpc<{ user: UserRow; movement: MovementRow }>("move_user_credits", {
      p_actor_id: actor,
      p_user_id: params.id,
      p_amount: body.amount,
      p_reason: body.reason,
      p_idempotency_key: body.idempotency_key ?? null,
    });
  },
});

export const patchRole = route({
  method: "patch",
  path: `/users/${ID}/role`,
  credential: "account",
  summary: "Changes what an account is. For masters.",
  description:
    "Who loses a role loses what came with it: their partner or clients are unlinked at once. " +
    "The last master stays one.",
  params: idParams,
  body: z.strictObject({ role }),
  answer: z.object({ user }),
  errors: ["FORBIDDEN", "NOT_FOUND", "CONFLICT"],
  async handle({ actor, params, body }) {
    const row = await rpc<UserRow>("change_role", {
      p_actor_id: actor,
      p_user_id: params.id,
      p_role: body.role,
    });
    return { user: row };
  },
});

export const userRoutes = [listUsers, moveUserCredits, patchRole];
