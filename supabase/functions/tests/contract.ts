import { appendFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import document from "../../../docs/openapi.json" with { type: "json" };
import { type Operation, operations, SEEN_FILE } from "./operations.ts";

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({
  ...closed(document) as object,
  // What every failure carries stays open: its places add their own fields and close it.
  components: { ...closed(document.components) as object, schemas: document.components.schemas },
}, "openapi.json");

/** Parameters are text whatever they mean. */
const parameterAjv = new Ajv2020({ strict: false, coerceTypes: true });
addFormats.default(parameterAjv);

const validators = new Map<string, ValidateFunction>();
const seen = new Set<string>();

/**
 * From here on, `fetch` fails when a function of the project answers something that the document does
 * not name: its status, the media type, and every field of a JSON answer. Fields that the document does
 * not know fail too. What went to no operation of the document must be a failure.
 */
export function checkAnswers(apiUrl: string): void {
  const base = `${apiUrl}/functions/v1`;
  const plainFetch = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const { method } = input instanceof Request ? input : { method: init?.method ?? "GET" };
    const response = await plainFetch(input, init);
    const { origin, pathname } = new URL(response.url);
    const path = pathname.slice(new URL(base).pathname.length);
    if (`${origin}${pathname}`.startsWith(`${base}/`)) await assertContract(method, path, response);
    return response;
  };
}

/** Fails when an answer is not one that the document names. `path` is below `/functions/v1`. */
export async function assertContract(
  method: string,
  path: string,
  answer: Response,
): Promise<void> {
  if (method === "OPTIONS" || method === "HEAD") return;
  const operation = operations.find((one) => one.method === method && isPathOf(one, path));
  const name = `${method} ${path} (${answer.status})`;
  if (operation === undefined) {
    if (answer.ok) throw new Error(`${name}: a route that the document does not know`);
    return;
  }
  const response = operation.responses[answer.status];
  if (response === undefined) {
    throw new Error(`${name}: the document has no such status: ${await answer.clone().text()}`);
  }
  const type = answer.headers.get("content-type")?.split(";")[0] ?? "";
  const content = contentOf(response);
  if (Object.keys(content).length > 0 && content[type] === undefined) {
    throw new Error(`${name}: the document has no ${type}`);
  }
  if (content[type]?.schema !== undefined) {
    const pointer = `${pointerOf(operation, answer.status)}/content/${escape(type)}/schema`;
    assertBody(name, validatorOf(pointer), await answer.clone().json());
  }
  if (answer.ok) await note(operation);
}

function assertBody(name: string, validate: ValidateFunction, body: unknown): void {
  if (validate(body)) return;
  const problems = ajv.errorsText(validate.errors, { dataVar: "body" });
  throw new Error(`${name} is not as the document says: ${problems}: ${JSON.stringify(body)}`);
}

function pointerOf({ path, method, responses }: Operation, status: number): string {
  return responses[status]!.$ref ??
    `#/paths/${escape(path)}/${method.toLowerCase()}/responses/${status}`;
}

function contentOf({ $ref, content = {} }: Operation["responses"][string]) {
  if ($ref === undefined) return content;
  const name = $ref.split("/").at(-1) as keyof typeof document.components.responses;
  return document.components.responses[name].content as Record<string, { schema?: object }>;
}

function validatorOf(pointer: string): ValidateFunction {
  const known = validators.get(pointer);
  if (known !== undefined) return known;
  const validate = ajv.compile({ $ref: `openapi.json${pointer}` });
  validators.set(pointer, validate);
  return validate;
}

/** A JSON pointer's part, in a URI. */
function escape(part: string): string {
  return encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));
}

/** Whether a path is an operation's: its parts are those of the template, its parameters valid. */
function isPathOf({ path: template, parameters }: Operation, path: string): boolean {
  const expected = template.split("/");
  const actual = path.replace(/\/$/, "").split("/");
  return expected.length === actual.length &&
    expected.every((part, i) => {
      if (!part.startsWith("{")) return part === actual[i];
      const { schema } = parameters.find(({ name }) => part === `{${name}}`)!;
      return parameterAjv.validate(schema, actual[i]);
    });
}

/**
 * The document as a strict reader takes it: objects have the fields that are named and no others.
 * Clients must read it openly, so the document itself does not say that.
 */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const schema: Record<string, unknown> = Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, closed(part)]),
  );
  const isObject = schema.properties !== undefined || schema.allOf !== undefined;
  return isObject && schema.additionalProperties === undefined
    ? { ...schema, unevaluatedProperties: false }
    : schema;
}

/** Every test file is a program of its own, so the operations are collected in a file beside the stack's. */
async function note({ method, path }: Operation): Promise<void> {
  const name = `${method} ${path}`;
  if (seen.has(name)) return;
  seen.add(name);
  const file = join(dirname(Deno.env.get("CABINA_STACK") ?? "."), SEEN_FILE);
  await appendFile(file, `${name}\n`);
}
