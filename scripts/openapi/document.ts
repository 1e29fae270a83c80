import type { AnyRoute } from "../../supabase/functions/_shared/route.ts";
import { failureSchema } from "./failures.ts";
import { mergeOperations } from "./merge.ts";
import { describeOperation, type Operation, pathOf } from "./operation.ts";
import { shareFailures } from "./share.ts";

/** The document, as far as programs of this project look into it. */
export interface Document {
  openapi: string;
  info: object;
  servers: { url: string }[];
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, object>;
    responses: Record<string, object>;
    securitySchemes: Record<string, object>;
  };
}

const DESCRIPTION = `The whole business of an AI photo booth.

Every answer in JSON is \`{ "success": true, … }\` or the \`Failure\` below; answers may gain fields.
Every answer carries its request id in \`x-request-id\`. A credential that is present but bad is 401,
never ignored. Unknown fields and parameters of a request are refused. Lists are paged: \`next_cursor\`
of one page is \`cursor\` of the next, and null on the last.

Roles: a *master* sees and does everything; a *partner* manages its own clients and events; a *client*
hosts events; a *user* pays their own photos; a *guest* has no account. Which of them a route is for,
the database decides: another tenant's thing is 404, a list for others is 403.`;

const SECURITY_SCHEMES = {
  publishableKey: {
    type: "apiKey",
    in: "header",
    name: "apikey",
    description: "The project's publishable key, as for any call to Supabase",
  },
  userToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A user's session",
  },
  hostToken: {
    type: "apiKey",
    in: "header",
    name: "x-host-token",
    description: "The token that an event's PIN is exchanged for",
  },
  downloadTicket: {
    type: "apiKey",
    in: "query",
    name: "ticket",
    description: "Five minutes for downloads by a link",
  },
  secretKey: {
    type: "apiKey",
    in: "header",
    name: "apikey",
    description: "The project's secret key: our own services only",
  },
};

/** Describes the routes of functions as one OpenAPI document: the same routes, the same document. */
export function describeApi(functions: Record<string, AnyRoute[]>, version: string): Document {
  const paths: Document["paths"] = {};
  /** The paths so far by their shape: `/events/{}`. */
  const known = new Map<string, string>();
  for (const [name, routes] of Object.entries(functions)) {
    for (const route of routes) {
      const own = pathOf(name, route);
      const shape = own.replaceAll(/\{\w+\}/g, "{}");
      const path = known.get(shape) ?? own;
      known.set(shape, path);
      const operations = paths[path] ??= {};
      const operation = describeOperation(own, route);
      const earlier = operations[route.method];
      operations[route.method] = earlier ? mergeOperations(earlier, operation) : operation;
    }
  }
  const tags = Object.values(paths).flatMap(Object.values<Operation>).flatMap(({ tags }) => tags);
  const document: Document = {
    openapi: "3.1.0",
    info: {
      title: "Cabina",
      version,
      license: { name: "MIT", identifier: "MIT" },
      description: DESCRIPTION,
    },
    servers: [{ url: "/functions/v1" }],
    tags: [...new Set(tags)].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Failure: failureSchema },
      responses: {},
      securitySchemes: SECURITY_SCHEMES,
    },
  };
  shareFailures(document);
  return document;
}
