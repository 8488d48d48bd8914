// Reads a task's parameters for a program: text converted, defaults filled in, checked against the schema.
// Called by watcher/run.ts for every attempt, so what fits at once must cost next to nothing.
import { Compile, type Validator } from 'typebox/compile';
import type { JsonObject, Problem } from '../dag/vocabulary.ts';
import { findProblems } from './parameter-problems.ts';
import type { Program } from './program.ts';
import type { SchemaNode } from './schema-node.ts';
import { convertTexts } from './text-parameters.ts';

export type ReadParameters = { ok: true; params: JsonObject } | { ok: false; problems: Problem[] };

interface Reader {
  validator: Validator;
  schema: SchemaNode;
  hasDefaults: boolean;
}

const readers = new WeakMap<Program, Reader>();

/** The parameters as the program's schema wants them, or every problem with its path. `raw` is parsed JSON. */
export function readParameters(
  program: Program,
  raw: unknown,
  { showValues = true }: { showValues?: boolean } = {},
): ReadParameters {
  if (!isObject(raw))
    return {
      ok: false,
      problems: [{ path: 'parameters', message: `must be a JSON object, got ${kindOf(raw)}` }],
    };
  const { validator, schema, hasDefaults } = readerOf(program);
  if (!hasDefaults && validator.Check(raw)) return { ok: true, params: raw };
  const params = validator.Default(convertTexts(schema, raw)) as JsonObject;
  if (validator.Check(params)) return { ok: true, params };
  return { ok: false, problems: findProblems(schema, params, validator.Errors(params), showValues) };
}

function readerOf(program: Program): Reader {
  return readers.get(program) ?? makeReader(program);
}

function makeReader(program: Program): Reader {
  const schema = program.params as SchemaNode;
  const hasDefaults = JSON.stringify(schema).includes('"default":');
  const reader = { validator: Compile(program.params) as Validator, schema, hasDefaults };
  readers.set(program, reader);
  return reader;
}

function isObject(raw: unknown): raw is JsonObject {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

function kindOf(raw: unknown): string {
  return raw === null
    ? 'null'
    : Array.isArray(raw)
      ? 'a list'
      : typeof raw === 'string'
        ? 'text'
        : `a ${typeof raw}`;
}
