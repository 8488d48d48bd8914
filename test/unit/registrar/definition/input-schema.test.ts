// A flow's inputSchema: what is no schema, and what does not fit one.
import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../../../src/dag/vocabulary.ts';
import { checkFlow, checkStored } from '../../../../src/registrar/definition/check.ts';
import { findInputProblems } from '../../../../src/registrar/definition/input-schema.ts';
import { makeStep } from '../../../support/steps.ts';

const say = (problems: { path: string; message: string }[]) =>
  problems.map(({ path, message }) => `${path}: ${message}`);
const define = (inputSchema: unknown) =>
  say(checkFlow({ id: 'f', inputSchema, steps: [{ id: 'a', program: 'empty' }] }).problems);

const order: JsonObject = {
  type: 'object',
  required: ['customer', 'items'],
  additionalProperties: false,
  properties: {
    customer: { type: 'integer' },
    mail: { type: 'string', format: 'email' },
    kind: { enum: ['new', 'again'] },
    items: { type: 'array', minItems: 1, items: { $ref: '#/$defs/item' } },
  },
  $defs: {
    item: {
      type: 'object',
      required: ['price'],
      properties: {
        price: { type: 'number', minimum: 0 },
        parts: { type: 'array', items: { $ref: '#/$defs/item' } },
      },
    },
  },
};

describe('a schema', () => {
  test.each([
    order,
    {},
    { type: ['string', 'null'] },
    { $schema: 'http://json-schema.org/draft-07/schema#', items: [{}] },
  ])('may be %o', (schema) => {
    expect(define(schema)).toEqual([]);
  });

  test.each<[unknown, RegExp]>([
    [{ type: 'objekt' }, /^inputSchema\.type: must be /],
    [{ properties: { a: { type: 'x' } } }, /^inputSchema\.properties\.a\.type: must be /],
    [{ properties: 5 }, /^inputSchema\.properties: must be object$/],
    [{ required: 'a' }, /^inputSchema\.required: must be array$/],
    [{ pattern: '(' }, /^inputSchema\.pattern: must match format "regex"$/],
    [
      { properties: { a: { $ref: '#/$defs/none' } } },
      /^inputSchema\.properties\.a\.\$ref: "#\/\$defs\/none" leads nowhere$/,
    ],
    [{ items: { $ref: '#/%' } }, /^inputSchema\.items\.\$ref: must match format "uri-reference"$/],
    [{ $ref: 'http://127.0.0.1/schema' }, /^inputSchema\.\$ref: must point into this schema: #\/…$/],
    [{ $ref: '#' }, /^inputSchema: refers to itself without end$/],
    [
      { allOf: [{ $ref: '#/$defs/a' }], $defs: { a: { $ref: '#/$defs/a' } } },
      /^inputSchema: refers to itself without end$/,
    ],
    [{ $schema: 'http://example.org/mine' }, /^inputSchema\.\$schema: is not a draft that is known/],
    [[], /^inputSchema: must be an object$/],
  ])('may not be %o', (schema, problem) => {
    expect(define(schema)).toEqual([expect.stringMatching(problem)]);
  });

  test('is judged in rows, too', () => {
    expect(say(checkStored([makeStep()], { inputSchema: { minimum: 'x' } }))).toEqual([
      'inputSchema.minimum: must be number',
    ]);
  });
});

describe('an input', () => {
  test('that fits has no problems', () => {
    const item = { price: 1, parts: [{ price: 0 }] };
    expect(
      findInputProblems(order, { customer: 1, mail: 'a@example.org', kind: 'new', items: [item] }),
    ).toEqual([]);
  });

  test('is told everything that does not fit, each with its place', () => {
    const input: Json = {
      customer: 'x',
      mail: 'nobody',
      kind: 'old',
      items: [{ price: -1 }, {}, { price: 1, parts: [{}] }],
      extra: 1,
    };
    expect(say(findInputProblems(order, input)).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'input.customer: must be integer',
      'input.extra: is not allowed',
      'input.items[0].price: must be >= 0',
      'input.items[1].price: is required',
      'input.items[2].parts[0].price: is required',
      'input.kind: must be one of "new", "again"',
      'input.mail: must match format "email"',
    ]);
    expect(say(findInputProblems(order, null))).toEqual(['input: must be object']);
    expect(say(findInputProblems(order, {}))).toEqual([
      'input.customer: is required',
      'input.items: is required',
    ]);
  });

  test('may be as deep as the body of a request can be', () => {
    const list: JsonObject = { type: 'array', items: { $ref: '#' } };
    const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as Json;
    expect(say(findInputProblems(list, deep))).toEqual([
      'input: is nested too deep for the schema of the flow',
    ]);
  });

  test('cannot make code of a schema', () => {
    const name = `x"];globalThis.hacked = true;//`;
    findInputProblems(
      { properties: { [name]: { const: '`${globalThis.hacked = true}`' } }, required: [name] },
      {},
    );
    expect(globalThis).not.toHaveProperty('hacked');
  });
});
