import type { Document } from "./document.ts";

/** Longest name of a shared response: what has more codes than that names is told where it is. */
const LONGEST_NAME = 40;

/**
 * Moves the failures that several operations have in common to the document's components, named by
 * their codes: `EventNotFound`.
 */
export function shareFailures(document: Document): void {
  const places = Map.groupBy(
    Object.values(document.paths).flatMap(Object.values)
      .flatMap(({ responses }) => Object.keys(responses).map((status) => ({ responses, status }))),
    ({ responses, status }) => JSON.stringify(responses[status]),
  );
  for (const [json, group] of places) {
    const response = JSON.parse(json);
    const name = nameOf(response.description);
    if (group.length === 1 || !json.includes("#/components/schemas/Failure")) continue;
    if (name.length > LONGEST_NAME) continue;
    document.components.responses[name] = response;
    for (const { responses, status } of group) {
      responses[status] = { $ref: `#/components/responses/${name}` };
    }
  }
}

/** `EventNotFoundOrNotFound` of "`EVENT_NOT_FOUND`, `NOT_FOUND`". */
function nameOf(description: string): string {
  const codes = description.toLowerCase().matchAll(/[a-z_]+/g);
  return [...codes].map(([code]) =>
    code.split("_").map((word) => word[0]!.toUpperCase() + word.slice(1)).join("")
  ).join("Or");
}
