import { route } from "../../_shared/route.ts";
import { openapi } from "../openapi.ts";

export const getOpenApi = route({
  method: "get",
  path: "/openapi.json",
  credential: "anyone",
  summary: "This document: every route of the three functions, in OpenAPI 3.1.",
  produces: ["application/json"],
  errors: [],
  cacheSeconds: 300,
  handle: () =>
    Promise.resolve(new Response(openapi, { headers: { "content-type": "application/json" } })),
});
