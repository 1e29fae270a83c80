import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./api.types.ts";

/** Every route of the project, typed from its OpenAPI document. */
export type Cabina = Client<paths, "application/json">;

type Failure = components["schemas"]["Failure"];

/** How a client says who it is; what is absent is not sent. */
export interface CabinaOptions {
  /** The project's address, without `/functions/v1`. */
  apiUrl: string;
  publishableKey: string;
  /** The session's token now: asked before each request, because sessions renew theirs. */
  userToken?: () => Promise<string | undefined>;
  /** The token of a PIN session. */
  hostToken?: string;
}

/** The server said no: a stable code for programs, a sentence for people. */
export class CabinaError extends Error {
  readonly code: string;
  /** The invalid fields of the request. */
  readonly details: { field: string; message: string }[];
  /** Names the request in the server's log. */
  readonly requestId: string | undefined;
  /** Seconds after which another try makes sense. */
  readonly retryAfter: number | undefined;

  constructor(
    { error, message, details = [], request_id }: Omit<Partial<Failure>, "success">,
    retryAfter?: number,
  ) {
    super([message, ...details.map((one) => `${one.field}: ${one.message}`)].join(" "));
    this.name = "CabinaError";
    this.code = error ?? "INTERNAL";
    this.details = details;
    this.requestId = request_id;
    this.retryAfter = retryAfter;
  }
}

/** A client of the project: `await value(cabina.GET("/event-admin/events", { params }))`. */
export function createCabina(options: CabinaOptions): Cabina {
  const { apiUrl, publishableKey, userToken, hostToken } = options;
  const cabina = createClient<paths, "application/json">({
    baseUrl: `${apiUrl}/functions/v1`,
    headers: {
      apikey: publishableKey,
      ...(hostToken !== undefined && { "x-host-token": hostToken }),
    },
  });
  cabina.use({
    async onRequest({ request }) {
      const token = await userToken?.();
      if (token !== undefined) request.headers.set("authorization", `Bearer ${token}`);
    },
  });
  return cabina;
}

/** The value of an answer. @throws {CabinaError} when the server refused */
export async function value<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) return data as T;
  const retryAfter = response.headers.get("retry-after");
  // What no function of ours has answered, such as a gateway's page, has no envelope.
  const failure = typeof error === "object" && error !== null
    ? error as Failure
    : { message: String(error) };
  throw new CabinaError(failure, retryAfter === null ? undefined : Number(retryAfter));
}
