import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { id, instant } from "../../_shared/fields.ts";
import { cutPage, nextCursor, pageQuery, readCursor } from "../../_shared/paging.ts";
import { route } from "../../_shared/route.ts";
import { type Cell, csvLine } from "../csv.ts";

const wallet = z.object({
  partner_id: id,
  credits_total: z.int().describe("Ever bought or granted"),
  credits_used: z.int().describe("Held by events, or consumed"),
  credits_left: z.int().describe("What can be given to events"),
  credits_consumed: z.int().describe("Photos that events made and were not refunded"),
  debt: z.int().describe("Owed after a reversed purchase; whatever arrives pays it first"),
});

const movement = z.object({
  id: z.int(),
  created_at: instant,
  kind: z.string().describe("allocation, return, transfer, purchase, grant ..."),
  amount: z.int().describe("Above 0: came in; below: went out"),
  balance: z.int().describe("credits_left after it"),
  counterpart: z.string().describe("The account on the other side: event, issued ..."),
  event_id: id.nullable(),
  event_name: z.string().nullable().describe("null once the event is deleted"),
  order_id: id.nullable(),
  note: z.string().nullable().describe("The reason that staff gave"),
});
type MovementRow = z.input<typeof movement>;

/** What the statement is sorted by. */
const movementKey = z.tuple([z.int().positive()]);

/** Rows of the database for one piece of the CSV. */
const CSV_PAGE = 1000;

export const getWallet = route({
  method: "get",
  path: "/wallet",
  credential: "account",
  summary: "The partner's credits and a page of what moved them, the newest first.",
  description: "With `format=csv`, or `Accept: text/csv`, the whole statement as a table.",
  query: z.strictObject({
    ...pageQuery,
    partner_id: id.optional().describe("For masters, who must name it"),
    format: z.enum(["json", "csv"]).optional(),
  }),
  answer: z.object({
    wallet,
    movements: z.array(movement),
    next_cursor: nextCursor,
  }),
  produces: ["text/csv"],
  errors: ["FORBIDDEN", "NOT_FOUND"],
  async handle({ c, actor, query }) {
    const whose = { p_actor_id: actor, p_partner_id: query.partner_id ?? null };
    const list = (before: number | null, limit: number) =>
      rpc<MovementRow[]>("list_wallet_movements", {
        ...whose,
        p_before: before,
        p_limit: limit,
      });

    const format = query.format ??
      (c.req.header("accept")?.includes("text/csv") ? "csv" : "json");
    if (format === "csv") {
      return await csvResponse((before) => list(before, CSV_PAGE));
    }

    const before = readCursor(query.cursor, movementKey);
    const [row, rows] = await Promise.all([
      rpc<z.input<typeof wallet>>("get_wallet", whose),
      list(before?.[0] ?? null, query.limit + 1),
    ]);
    const { page, next_cursor } = cutPage(rows, query.limit, (last) => [last.id]);
    return { wallet: row, movements: page, next_cursor };
  },
});

/** The columns of the table, in order. */
const columns = Object.keys(movement.shape) as (keyof MovementRow)[];

/** Streams a statement page by page. What is refused, is refused before the first byte. */
async function csvResponse(list: (before: number | null) => Promise<MovementRow[]>) {
  let rows = await list(null);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encode([columns]));
    },
    async pull(controller) {
      if (rows.length > 0) {
        controller.enqueue(encode(rows.map((row) => columns.map((column) => row[column]))));
      }
      const last = rows.at(-1);
      if (rows.length < CSV_PAGE || last === undefined) {
        return controller.close();
      }
      rows = await list(last.id);
    },
  });
  return new Response(body, {
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="wallet.csv"',
      "cache-control": "private, no-store",
    },
  });
}

function encode(lines: Cell[][]): Uint8Array {
  return new TextEncoder().encode(lines.map(csvLine).join(""));
}
