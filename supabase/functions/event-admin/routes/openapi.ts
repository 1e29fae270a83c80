import { route } from "../../_shared/route.ts";

export const getOpenApi = route({
  method: "get",
  path: "/openapi.json",
  credential: "anyone",
  summary: "This document: every route of the three functions, in OpenAPI 3.1.",
  produces: ["application/json"],
  errors: [],
  cacheSeconds: 300,
  async handle() {
    // A quarter of a megabyte, which only this route needs.
    const { openapi } = await import("../openapi.ts");
    return new Response(openapi, { headers: { "content-type": "application/json" } });
  },
});
