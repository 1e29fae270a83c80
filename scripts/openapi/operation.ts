import type { ErrorCode } from "../../supabase/functions/_shared/errors.ts";
import { type AnyRoute, refusalsOf } from "../../supabase/functions/_shared/route.ts";
import { failuresOf } from "./failures.ts";
import { envelope, fieldsOf, inputSchema } from "./schemas.ts";

/** An operation of the document. */
export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security: Record<string, never[]>[];
  parameters: Parameter[];
  requestBody?: object;
  responses: Record<string, Response | { $ref: string }>;
  /** Every code that a failure may carry. */
  "x-error-codes": ErrorCode[];
}

/** A parameter of an operation. */
export interface Parameter {
  name: string;
  in: "path" | "query";
  required: boolean;
  description?: string;
  schema: object;
}

/** An answer of an operation. */
export interface Response {
  description: string;
  headers?: object;
  content?: Record<string, { schema?: object }>;
}

/** The credentials that a route takes, as alternatives of security schemes. */
const SECURITY: Record<string, string[]> = {
  anyone: [],
  caller: ["publishableKey", "userToken"],
  visitor: ["", "userToken", "hostToken"],
  account: ["userToken"],
  host: ["userToken", "hostToken"],
  download: ["userToken", "hostToken", "downloadTicket"],
  service: ["secretKey"],
};

/** `/cabina-vision/generations/{id}` of `/generations/:id{…}`. */
export function pathOf(functionName: string, { path }: AnyRoute): string {
  const parts = path.split("/").filter((part) => part !== "");
  return `/${[functionName, ...parts.map((part) => part.replace(/^:(\w+).*$/, "{$1}"))].join("/")}`;
}

/** Describes one route at its path. */
export function describeOperation(path: string, route: AnyRoute): Operation {
  const [, functionName = "", area = ""] = path.split("/");
  return {
    operationId: operationId(route.method, path),
    tags: [functionName === "event-admin" ? `${functionName}: ${area}` : functionName],
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    security: SECURITY[route.credential]!.map((scheme) => scheme === "" ? {} : { [scheme]: [] }),
    parameters: parametersOf(path, route),
    ...(route.body && { requestBody: describeBody(route) }),
    responses: {
      ...Object.fromEntries(
        (route.status ?? [200]).map((status) => [String(status), success(status, route)]),
      ),
      ...(route.cacheSeconds !== undefined && {
        "304": { description: "What `If-None-Match` names is still the answer" },
      }),
      ...failuresOf(route),
    },
    "x-error-codes": refusalsOf(route),
  };
}

/** `getEventAdminEventsById` of `get /event-admin/events/{id}`. */
function operationId(method: string, path: string): string {
  const words = path.replaceAll(/\{(\w+)\}/g, "by-$1").split(/[^A-Za-z0-9]+/).filter(Boolean);
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

function parametersOf(path: string, route: AnyRoute): Parameter[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const params = fieldsOf(route.params, inputSchema).properties;
  const { properties: query, required = [] } = fieldsOf(route.query, inputSchema);
  return [
    ...names.map((name) => parameter(name, "path", true, params[name] ?? {})),
    ...Object.entries(query).map(([name, schema]) =>
      parameter(name, "query", required.includes(name), schema)
    ),
  ];
}

function parameter(
  name: string,
  place: Parameter["in"],
  required: boolean,
  { description, ...schema }: { description?: string },
): Parameter {
  return { name, in: place, required, ...(description !== undefined && { description }), schema };
}

function describeBody({ body }: AnyRoute): object {
  const schema = inputSchema(body);
  const needsNothing = schema.type === "object" && schema.required === undefined;
  return { required: !needsNothing, content: { "application/json": { schema } } };
}

function success(status: number, route: AnyRoute): Response {
  const headers = route.cacheSeconds === undefined
    ? undefined
    : { ETag: { schema: { type: "string" } }, "Cache-Control": { schema: { type: "string" } } };
  return {
    description: status === 200 ? "Done" : status === 201 ? "Made" : "Accepted, not finished yet",
    ...(headers && { headers }),
    content: {
      ...(route.answer && { "application/json": { schema: envelope(route.answer) } }),
      // What is no JSON of ours is told by its media type alone.
      ...Object.fromEntries((route.produces ?? []).map((type) => [type, {}])),
    },
  };
}
