import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { id, instant } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";

const entry = z.object({
  id: z.int(),
  actor_id: id.nullable().describe(
    "null: a host by PIN, or the platform itself",
  ),
  actor_email: z.string().nullable().describe(
    "null as well when the person was erased",
  ),
  action: z.string(),
  target: z.string().describe("What kind of thing"),
  target_id: z.string().nullable(),
  before: z.looseObject({}).nullable(),
  after: z.looseObject({}).nullable(),
  request_id: z.string().nullable(),
  created_at: instant,
});
type EntryRow = z.input<typeof entry>;

const word = z.string().min(1).max(100).optional();

export const listAudit = route({
  method: "get",
  path: "/audit",
  credential: "account",
  summary: "A page of what staff did, the latest first. For masters.",
  query: z.strictObject({
    ...pageQuery,
    actor_id: id.optional(),
    action: word,
    target: word,
    target_id: word,
    from: instant.optional(),
    to: instant.optional().describe("Excluded"),
  }),
  answer: z.object({ entries: z.array(entry), next_cursor: nextCursor }),
  errors: ["FORBIDDEN"],
  async handle({ actor, query: { cursor, limit, ...filters } }) {
    const rows = await rpc<EntryRow[]>("list_audit", {
      p_actor_id: actor,
      p_filters: filters,
      p_before_id: readCursor(cursor, z.tuple([z.int()]))?.[0] ?? null,
      p_limit: limit + 1,
    });
    const { page, next_cursor } = cutPage(rows, limit, (row) => [row.id]);
    return { entries: page, next_cursor };
  },
});
