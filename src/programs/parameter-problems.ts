// Turns the validator's errors into sentences a person can act on. Called by parameters.ts.
import type { TLocalizedValidationError } from 'typebox/error';
import { nearMatches } from '../dag/near.ts';
import type { Json, Problem } from '../dag/vocabulary.ts';
import { describeSchema, pointerKeys, schemaAt, type SchemaNode } from './schema-node.ts';

// What these say is told better by describing the schema.
const SHAPES = new Set(['type', 'const', 'enum', 'anyOf']);

/** The problems of `params`, each with its path: `parameters.URL: is required`. */
export function findProblems(
  schema: SchemaNode,
  params: Json,
  errors: TLocalizedValidationError[],
  showValues = true,
): Problem[] {
  const show = showValues ? showValue : () => '';
  return errors
    .filter((error) => isRoot(error, errors))
    .flatMap((error) => toProblems(schema, params, error, show));
}

// `anyOf` reports every alternative as well, and a refused key is reported twice: one problem is enough.
function isRoot(error: TLocalizedValidationError, all: TLocalizedValidationError[]): boolean {
  if (error.keyword === 'boolean' && error.schemaPath.endsWith('/additionalProperties')) return false;
  return !all.some(
    (other) => other.keyword === 'anyOf' && error.schemaPath.startsWith(`${other.schemaPath}/anyOf/`),
  );
}

function toProblems(
  schema: SchemaNode,
  params: Json,
  error: TLocalizedValidationError,
  show: typeof showValue,
): Problem[] {
  const path = toPath(error.instancePath);
  const node = schemaAt(schema, error.schemaPath) ?? {};
  if (error.keyword === 'required')
    return error.params.requiredProperties.map((key) => ({ path: `${path}.${key}`, message: 'is required' }));
  if (error.keyword === 'additionalProperties')
    return error.params.additionalProperties.map((key) =>
      refuseKey(path, key, Object.keys(node.properties ?? {})),
    );
  const isDescribed = node.title !== undefined || SHAPES.has(error.keyword);
  const message = isDescribed ? `must be ${describeSchema(node)}` : error.message;
  return [{ path, message: message + show(node, params, error.instancePath) }];
}

function refuseKey(path: string, key: string, known: string[]): Problem {
  const near = nearMatches(key, known);
  const hint =
    near.length > 0
      ? `did you mean ${near.join(' or ')}?`
      : known.length > 0
        ? `known: ${known.join(', ')}`
        : 'there are none';
  return { path: `${path}.${key}`, message: `there is no such parameter (${hint})` };
}

function toPath(pointer: string): string {
  return pointerKeys(pointer).reduce(
    (path, key) => (/^\d+$/.test(key) ? `${path}[${key}]` : `${path}.${key}`),
    'parameters',
  );
}

function showValue(node: SchemaNode, params: Json, pointer: string): string {
  if (node.writeOnly) return '';
  const value = pointerKeys(pointer).reduce<Json | undefined>(
    (at, key) => (at as Record<string, Json> | undefined)?.[key],
    params,
  );
  const text = JSON.stringify(value) ?? 'nothing';
  return `, got ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}
