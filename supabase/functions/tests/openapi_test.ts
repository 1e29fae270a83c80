import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import document from "../../../docs/openapi.json" with { type: "json" };
import { operations } from "./operations.ts";
import { callFunction, stack, test } from "./stack.ts";

Deno.test("every schema of the document is one of JSON Schema 2020-12", () => {
  const ajv = new Ajv2020();
  addFormats.default(ajv);
  let schemas = 0;
  JSON.stringify(document, (key, value) => {
    if (key === "format" && typeof value === "string") assert.ok(value in ajv.formats, value);
    if (key !== "schema") return value;
    schemas++;
    assert.ok(ajv.validateSchema(value), ajv.errorsText(ajv.errors));
  });
  assert.ok(schemas > operations.length);
});

Deno.test("every reference of the document leads to something in it", () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)];
  assert.ok(references.length > 0);
  for (const [, reference] of references) {
    assert.match(reference!, /^#\//);
    const target = reference!.slice(2).split("/")
      // deno-lint-ignore no-explicit-any -- walks whatever the document holds
      .reduce<any>((value, part) => value?.[part], document);
    assert.ok(target, reference);
  }
});

Deno.test("an operation has a name of its own, says what it does and names its refusals", () => {
  const ids = operations.map(({ operationId }) => operationId);
  assert.deepEqual(ids.toSorted(), [...new Set(ids)].toSorted());
  for (const { operationId, summary, tags, responses } of operations) {
    assert.match(summary, /^[A-Z].*[.]$/s, operationId);
    assert.ok(tags.length === 1 && document.tags.some(({ name }) => name === tags[0]), operationId);
    for (const status of ["400", "500", "503"]) assert.ok(responses[status], operationId);
  }
});

Deno.test("an operation declares the parameters of its path and no others", () => {
  for (const { path, operationId, parameters } of operations) {
    const inPath = parameters.filter((one) => one.in === "path");
    assert.deepEqual(
      inPath.map(({ name }) => `{${name}}`),
      path.match(/\{\w+\}/g) ?? [],
      operationId,
    );
    assert.ok(inPath.every(({ required }) => required), operationId);
  }
});

Deno.test("no two paths of the document are the same to who matches them", () => {
  const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, "{}"));
  assert.equal(new Set(shapes).size, shapes.length);
});

Deno.test("every security scheme that an operation names is described", () => {
  const schemes = Object.keys(document.components.securitySchemes);
  for (const { security, operationId } of operations) {
    for (const name of security.flatMap(Object.keys)) {
      assert.ok(schemes.includes(name), operationId);
    }
  }
});

test("event-admin serves the document to anyone, once per version", async () => {
  const options = { method: "GET", apikey: null };
  const served = await callFunction("event-admin/openapi.json", undefined, options);
  assert.equal(served.status, 200);
  assert.deepEqual(served.body, document);
  const headers = { "if-none-match": served.headers.get("etag")! };
  const again = await fetch(`${stack.api_url}/functions/v1/event-admin/openapi.json`, { headers });
  assert.deepEqual([again.status, await again.text()], [304, ""]);
});
