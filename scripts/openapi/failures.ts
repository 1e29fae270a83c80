import { type ErrorCode, statusOf } from "../../supabase/functions/_shared/errors.ts";
import { type AnyRoute, refusalsOf } from "../../supabase/functions/_shared/route.ts";
import { fieldsOf, outputSchema } from "./schemas.ts";

/** A response of the document that is a failure. */
export interface Failure {
  description: string;
  headers?: object;
  content: Record<string, { schema: object }>;
}

/** The failures of a route by status, each with the codes that it may carry. */
export function failuresOf(route: AnyRoute): Record<string, Failure> {
  const byStatus = Map.groupBy(refusalsOf(route), statusOf);
  const more = fieldsOf(route.failure, outputSchema).properties;
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const isItsOwn = codes.some((code) => route.errors.includes(code));
      return [String(status), failure(status, codes, isItsOwn ? more : {})];
    }),
  );
}

function failure(status: number, codes: ErrorCode[], more: object): Failure {
  return {
    description: codes.map((code) => `\`${code}\``).join(", "),
    ...(status === 429 && {
      headers: {
        "Retry-After": {
          description: "Seconds after which another try makes sense",
          schema: { type: "integer" },
        },
      },
    }),
    content: {
      "application/json": {
        schema: {
          allOf: [{ $ref: "#/components/schemas/Failure" }],
          properties: { error: { enum: codes }, ...more },
        },
      },
    },
  };
}

/** The envelope of every failure. */
export const failureSchema = {
  type: "object",
  properties: {
    success: { const: false },
    error: { type: "string", description: "A stable code, for programs" },
    message: { type: "string", description: "For people, in the language of Accept-Language" },
    request_id: { type: "string", description: "Names the request in our log" },
    details: {
      type: "array",
      description: "The invalid fields of the request",
      items: {
        type: "object",
        properties: {
          field: { type: "string", description: "Its path; empty for the body as a whole" },
          message: { type: "string" },
        },
        required: ["field", "message"],
      },
    },
  },
  required: ["success", "error", "message", "request_id"],
};
