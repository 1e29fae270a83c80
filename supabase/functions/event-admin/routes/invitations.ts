import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ID, id, idParams, instant } from "../../_shared/fields.ts";
import { route } from "../../_shared/route.ts";
import { invitationUrl } from "../links.ts";
import { email } from "./event_fields.ts";

const invitation = z.object({
  id,
  email: z.string(),
  expires_at: instant,
  url: z.url().describe("To pass on to the invited person; shown in this answer only"),
});

interface InvitationRow {
  id: string;
  email: string;
  token: string;
  expires_at: string;
}

const shared = {
  method: "post",
  credential: "account",
  params: idParams,
  body: z.strictObject({
    email: email.optional().describe("Absent: the one in the row"),
  }),
  answer: z.object({ invitation }),
} as const;

function describe(row: InvitationRow): z.input<typeof invitation> {
  return {
    id: row.id,
    email: row.email,
    expires_at: row.expires_at,
    url: invitationUrl(row.token),
  };
}

export const inviteClient = route({
  ...shared,
  path: `/clients/${ID}/invitation`,
  summary: "Invites somebody to host the client's events, for 7 days.",
  description: "Open invitations of the same client end. At most 60 an hour.",
  status: [201],
  errors: ["NOT_FOUND", "RATE_LIMITED"],
  async handle({ actor, params, body }) {
    const [row] = await rpc<[InvitationRow]>("invite_client", {
      p_actor_id: actor,
      p_client_id: params.id,
      p_email: body.email ?? null,
    });
    return { invitation: describe(row) };
  },
});

export const invitePartner = route({
  ...shared,
  path: `/partners/${ID}/invitation`,
  summary: "A master invites somebody to own the partner, for 7 days.",
  description: "Open invitations of the same partner end. At most 60 an hour.",
  status: [201],
  errors: ["FORBIDDEN", "NOT_FOUND", "RATE_LIMITED"],
  async handle({ actor, params, body }) {
    const [row] = await rpc<[InvitationRow]>("invite_partner", {
      p_actor_id: actor,
      p_partner_id: params.id,
      p_email: body.email ?? null,
    });
    return { invitation: describe(row) };
  },
});

const acceptance = z.object({
  role: z.enum(["user", "client", "partner", "master"]).describe("Of the account, from now on"),
  partner_id: id,
  client_id: id.nullable().describe("null: the account owns the partner"),
});

export const acceptInvitation = route({
  method: "post",
  path: "/invitations/accept",
  credential: "account",
  summary: "Makes the account the owner of the partner or host of the client it is invited to.",
  description:
    "Its confirmed e-mail address must be the invited one, or it is FORBIDDEN. CONFLICT: " +
    "somebody else is that already. Accepting again answers the same.",
  body: z.strictObject({
    token: z.string().regex(/^[0-9a-f]{64}$/, "not an invitation"),
  }),
  answer: acceptance,
  errors: ["NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  async handle({ actor, body }) {
    const [row] = await rpc<[z.input<typeof acceptance>]>("accept_invitation", {
      p_actor_id: actor,
      p_token: body.token,
    });
    return row;
  },
});

export const invitationRoutes = [inviteClient, invitePartner, acceptInvitation];
