/** The body of every JSON answer of the provider; `code` is the truth, not the HTTP status. */
export interface Envelope {
  code: number;
  msg: string;
  data: unknown;
}

/** What the provider says with a code, where no field has to be named. */
export const REASONS = {
  400: "The request is not valid",
  401: "You do not have access permissions",
  402: "Credits insufficient: the balance of this account is too small, please top up",
  404: "Not found",
  422: "The request parameters failed validation",
  429: "Your call frequency is too high, please try again later",
  433: "The usage limit of this key has been reached",
  455: "The service is under maintenance, please try again later",
  500: "Server exception, please try again later",
  501: "Generation failed",
  505: "This feature is currently disabled",
} as const;

/** A request that the provider refuses; becomes an envelope with this code and message. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  constructor(readonly code: number, message: string, readonly data: unknown = null) {
    super(message);
  }
}

/**
 * How refusals travel. `inner`: HTTP 200 with the code inside, which most clients of the provider report. `real`: the
 * same envelope with the code as HTTP status, which the vendor's pages describe.
 */
export type HttpStatusStyle = "inner" | "real";

/** An envelope as an HTTP response. */
export function answer(style: HttpStatusStyle, envelope: Envelope): Response {
  const status = style === "real" && envelope.code >= 400 ? envelope.code : 200;
  return Response.json(envelope, { status });
}

/** What the provider's gateway says when nobody stands behind it: a page, not an envelope. */
export function badGatewayPage(): Response {
  const html = "<html><head><title>502 Bad Gateway</title></head>" +
    "<body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
  return new Response(html, { status: 502, headers: { "content-type": "text/html" } });
}
