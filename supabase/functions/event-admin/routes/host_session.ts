import { z } from "zod";
import { rpc } from "../../_shared/database.ts";
import { ApiError } from "../../_shared/errors.ts";
import { instant, slug } from "../../_shared/fields.ts";
import { clientAddress } from "../../_shared/http.ts";
import { route } from "../../_shared/route.ts";

export const postSession = route({
  method: "post",
  path: "/events/:slug/session",
  credential: "anyone",
  summary: "Opens a session for whoever knows the event's PIN: 12 hours as its host.",
  description: "The token goes in the header `x-host-token`. Wrong PINs are counted: five of an " +
    "address lock it for a minute and longer each time, fifty in an hour lock the event for all.",
  params: z.strictObject({ slug }),
  body: z.strictObject({ pin: z.string().regex(/^\d{6,8}$/, "6 to 8 digits") }),
  answer: z.object({ token: z.string(), expires_at: instant }),
  errors: ["EVENT_NOT_FOUND", "UNAUTHENTICATED", "EVENT_PAUSED", "PIN_LOCKED"],
  async handle({ c, params, body }) {
    const [session] = await rpc<
      [{ token: string; expires_at: string; error: string | null }]
    >(
      "open_pin_session",
      {
        p_event_slug: params.slug,
        p_pin: body.pin,
        p_client_address: clientAddress(c.req.raw),
      },
    );
    // Not raised by the database, which would forget that it counted the failure.
    if (session.error !== null) throw new ApiError("UNAUTHENTICATED");
    return session;
  },
});

export const deleteSession = route({
  method: "delete",
  path: "/host/session",
  credential: "host",
  summary: "Ends the session of the token; again and again changes nothing.",
  answer: z.object({ deleted: z.literal(true) }),
  errors: ["UNAUTHENTICATED"],
  async handle({ actor }) {
    if (actor.token === null) throw new ApiError("UNAUTHENTICATED");
    await rpc("close_pin_session", { p_token: actor.token });
    return { deleted: true as const };
  },
});

export const hostSessionRoutes = [postSession, deleteSession];
