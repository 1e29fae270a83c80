import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { amount, ID, id, idParams } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { event, type EventRow } from "./event_fields.ts";
import { movement, movementKey, type MovementRow } from "./movement.ts";

const repeatable = { amount, idempotency_key: movementKey };

export const allocateCredits = route({
  method: "post",
  path: `/events/${ID}/credits`,
  credential: "account",
  summary: "Moves credits of the partner to the event.",
  description: "Those of the platform's own events are issued. A partner in debt has none to give.",
  params: idParams,
  body: z.strictObject(repeatable),
  answer: z.object({ event, movement }),
  errors: ["EVENT_NOT_FOUND", "EVENT_ENDED", "INSUFFICIENT_CREDITS", "IDEMPOTENCY_CONFLICT"],
  handle({ actor, params, body }) {
    return rpc<{ event: EventRow; movement: MovementRow }>("allocate_credits", {
      p_actor_id: actor,
      p_event_id: params.id,
      p_amount: body.amount,
      p_idempotency_key: body.idempotency_key ?? null,
    });
  },
});

export const transferCredits = route({
  method: "post",
  path: `/events/${ID}/transfer`,
  credential: "account",
  summary: "Moves unused credits to another event of the same partner.",
  params: idParams,
  body: z.strictObject({ ...repeatable, to_event_id: id }),
  answer: z.object({ event, to_event: event, movement }),
  errors: ["EVENT_NOT_FOUND", "EVENT_ENDED", "INSUFFICIENT_CREDITS", "IDEMPOTENCY_CONFLICT"],
  handle({ actor, params, body }) {
    return rpc<{ event: EventRow; to_event: EventRow; movement: MovementRow }>(
      "transfer_credits",
      {
        p_actor_id: actor,
        p_event_id: params.id,
        p_to_event_id: body.to_event_id,
        p_amount: body.amount,
        p_idempotency_key: body.idempotency_key ?? null,
      },
    );
  },
});

export const closeEvent = route({
  method: "post",
  path: `/events/${ID}/close`,
  credential: "account",
  summary: "Closes an event for good; unused credits go back to the partner.",
  description: "Photos being made go on, and a refund of one goes to the partner. Closing again " +
    "changes nothing and answers the same.",
  params: idParams,
  answer: z.object({
    event,
    returned_credits: z.int().describe("By the closing of the event"),
  }),
  errors: ["EVENT_NOT_FOUND"],
  handle({ actor, params }) {
    return rpc<{ event: EventRow; returned_credits: number }>("close_event", {
      p_actor_id: actor,
      p_event_id: params.id,
    });
  },
});

export const eventCreditRoutes = [allocateCredits, transferCredits, closeEvent];
