import document from "../../../docs/openapi.json" with { type: "json" };

/** An operation of the document. */
export interface Operation {
  method: string;
  path: string;
  operationId: string;
  summary: string;
  tags: string[];
  security: Record<string, never[]>[];
  parameters: {
    name: string;
    in: string;
    required: boolean;
    schema: { type?: string; format?: string };
  }[];
  requestBody?: object;
  responses: Record<string, { $ref?: string; content?: Record<string, { schema?: object }> }>;
}

/** All operations of the document. */
export const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    method: method.toUpperCase(),
    path,
    ...operation as unknown as Omit<Operation, "method" | "path">,
  }))
);

/** Where the operations are noted that were answered with success, for the end of the run. */
export const SEEN_FILE = "answered_operations";
