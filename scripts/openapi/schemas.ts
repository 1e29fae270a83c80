import { z, type ZodType } from "zod";

/** A JSON Schema of an object, as far as the document looks into it. */
export interface ObjectSchema {
  type: "object";
  properties: Record<string, { description?: string }>;
  required?: string[];
}

/** What a client may send. */
export function inputSchema(schema: ZodType) {
  const { $schema: _, ...input } = z.toJSONSchema(schema, {
    io: "input",
    override: ({ jsonSchema }) => simplify(jsonSchema),
  });
  return input;
}

/** What a client gets. Answers may gain fields, so nothing is said against unknown ones. */
export function outputSchema(schema: ZodType) {
  const { $schema: _, ...output } = z.toJSONSchema(schema, {
    io: "output",
    override({ jsonSchema }) {
      simplify(jsonSchema);
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return output;
}

/** The formats that JSON Schema knows, of those that zod names. */
const FORMATS = ["date", "date-time", "email", "uri", "uuid"];

/**
 * Takes away what only repeats, the pattern of a format and the limits of what a double holds, and what
 * nobody but zod understands.
 */
function simplify(schema: z.core.JSONSchema.BaseSchema): void {
  if (FORMATS.includes(schema.format ?? "")) delete schema.pattern;
  else delete schema.format;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

/** The fields of a schema that is an object's; none for none. */
export function fieldsOf(schema: ZodType | undefined, read: typeof inputSchema): ObjectSchema {
  const fields = schema === undefined ? {} : read(schema);
  return { type: "object", properties: {}, ...fields as Partial<ObjectSchema> };
}

/** The envelope of success around an answer. */
export function envelope(answer: ZodType): ObjectSchema {
  const { properties, required = [], ...rest } = fieldsOf(answer, outputSchema);
  return {
    ...rest,
    properties: { success: { const: true } as object, ...properties },
    required: ["success", ...required],
  };
}
