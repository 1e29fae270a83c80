import type { Operation, Parameter, Response } from "./operation.ts";

/**
 * One operation of two whose paths differ only in what a parameter may look like, such as the event
 * of an id and that of a slug: OpenAPI knows them as one path. The first gives the parameter its name.
 */
export function mergeOperations(first: Operation, second: Operation): Operation {
  return {
    ...first,
    summary: `${first.summary} Or: ${second.summary}`,
    description: [first, second].map(describe).join("\n\n"),
    security: first.security.length === 0 || second.security.length === 0
      ? [{}, ...first.security, ...second.security]
      : [...first.security, ...second.security],
    parameters: mergeParameters(first.parameters, second.parameters),
    responses: mergeResponses(
      first.responses as Record<string, Response>,
      second.responses as Record<string, Response>,
    ),
    "x-error-codes": [...new Set([...first["x-error-codes"], ...second["x-error-codes"]])],
  };
}

function describe({ parameters, summary, description }: Operation): string {
  const names = parameters.filter((one) => one.in === "path").map(({ name }) => `\`{${name}}\``);
  return `With ${names.join(", ")}: ${summary} ${description ?? ""}`.trim();
}

function mergeParameters(first: Parameter[], second: Parameter[]): Parameter[] {
  const others = second.filter((one) => one.in === "path");
  const paths = first.filter((one) => one.in === "path").map((one, i) => ({
    ...one,
    schema: { anyOf: [one.schema, others[i]!.schema] },
  }));
  const query = [...first, ...second].filter((one) => one.in === "query");
  return [...paths, ...new Map(query.map((one) => [one.name, one])).values()];
}

function mergeResponses(
  first: Record<string, Response>,
  second: Record<string, Response>,
): Record<string, Response> {
  const merged = { ...first };
  for (const [status, response] of Object.entries(second)) {
    const mine = merged[status];
    merged[status] = mine === undefined ? response : {
      ...mine,
      ...response,
      description: [...new Set([mine.description, response.description])].join(", "),
      content: mergeContent(mine.content, response.content),
    };
  }
  return merged;
}

function mergeContent(
  first: Response["content"] = {},
  second: Response["content"] = {},
) {
  const merged = { ...first };
  for (const [type, { schema }] of Object.entries(second)) {
    const mine = merged[type]?.schema;
    const isSame = JSON.stringify(mine) === JSON.stringify(schema);
    merged[type] = mine === undefined || isSame ? { ...schema && { schema } } : {
      schema: { anyOf: [mine, schema!] },
    };
  }
  return merged;
}
