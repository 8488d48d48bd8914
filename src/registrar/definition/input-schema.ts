// A flow's `inputSchema`: whether it is a JSON Schema, called by check.ts, and whether an input fits it, called by register.ts.
// Schemas are interpreted, never compiled: they come from outside, and compiling would make code of them.
import { Check, Errors, Meta, Pointer, type XSchema } from 'typebox/schema';
import type { Json, JsonObject, Problem } from '../../dag/vocabulary.ts';

type Found = ReturnType<typeof Errors>[1][number];

const DRAFTS: Record<string, XSchema> = Meta;
const DRAFT = 'https://json-schema.org/draft/2020-12/schema';
/** What stands below these is data. */
const DATA: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples']);

/** What keeps it from being a schema, each with its place. */
export function findSchemaProblems(schema: JsonObject, path: string): Problem[] {
  const { $schema: draft = DRAFT } = schema;
  const meta = typeof draft === 'string' ? DRAFTS[draft] : undefined;
  if (meta === undefined) {
    const message = `is not a draft that is known (known: ${Object.keys(DRAFTS).join(', ')})`;
    return [{ path: `${path}.$schema`, message }];
  }
  const wrong = listProblems(Errors(DRAFTS, meta, schema)[1], path);
  const problems = wrong.length > 0 ? wrong : findLooseRefs(schema, schema, path);
  if (problems.length > 0 || SAMPLES.every((sample) => endsWith(schema, sample))) return problems;
  return [{ path, message: 'refers to itself without end' }];
}

/** What of the input does not fit. */
export function findInputProblems(schema: JsonObject, input: Json): Problem[] {
  try {
    return Check(schema, input) ? [] : listProblems(Errors(schema, input)[1], 'input');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [{ path: 'input', message: 'is nested too deep for the schema of the flow' }];
  }
}

const SAMPLES: readonly Json[] = [null, true, 0, '', [], {}];

function endsWith(schema: JsonObject, sample: Json): boolean {
  try {
    Check(schema, sample);
    return true;
  } catch {
    return false;
  }
}

/** One a place; what holds a wrong part is not wrong itself. */
function listProblems(found: Found[], path: string): Problem[] {
  const places = new Map<string, Found>();
  for (const one of found.filter(({ keyword }) => keyword !== 'boolean')) {
    const known = places.get(one.instancePath);
    if (known === undefined || one.keyword === 'required') places.set(one.instancePath, one);
  }
  const holdsWrong = (at: string) => [...places.keys()].some((other) => other.startsWith(`${at}/`));
  return [...places].flatMap(([at, one]) => {
    if (holdsWrong(at) && !isOwn(one)) return [];
    return describe(
      one,
      path + toPath(at),
      (key) => places.has(`${at}/${key}`) || holdsWrong(`${at}/${key}`),
    );
  });
}

/** Says something that none of the parts says. */
function isOwn({ keyword }: Found): boolean {
  return keyword === 'required' || keyword === 'additionalProperties';
}

function describe(found: Found, path: string, isKnown: (key: string) => boolean): Problem[] {
  const { required, extra, allowed } = readParams(found);
  if (required !== undefined)
    return required.map((key) => ({ path: `${path}.${key}`, message: 'is required' }));
  // A known key that is wrong is counted among these as well.
  if (extra !== undefined)
    return extra.flatMap((key) =>
      isKnown(key) ? [] : { path: `${path}.${key}`, message: 'is not allowed' },
    );
  if (allowed !== undefined)
    return [{ path, message: `must be one of ${allowed.map((value) => JSON.stringify(value)).join(', ')}` }];
  return [{ path, message: found.message }];
}

function readParams({ params }: Found) {
  const { requiredProperties, additionalProperties, allowedValues } = params as Record<string, unknown>;
  const list = (value: unknown) => (Array.isArray(value) ? (value as string[]) : undefined);
  return {
    required: list(requiredProperties),
    extra: list(additionalProperties),
    allowed: list(allowedValues),
  };
}

function toPath(pointer: string): string {
  return Pointer.Indices(pointer)
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`))
    .join('');
}

/** References out of the schema, and those that lead nowhere. */
function findLooseRefs(part: Json, schema: JsonObject, path: string): Problem[] {
  if (typeof part !== 'object' || part === null) return [];
  if (Array.isArray(part)) return part.flatMap((item, at) => findLooseRefs(item, schema, `${path}[${at}]`));
  return Object.entries(part).flatMap(([key, value]) => {
    const at = `${path}.${key}`;
    if (key === '$ref' && typeof value === 'string') return judgeRef(value, schema, at);
    return DATA.has(key) ? [] : findLooseRefs(value, schema, at);
  });
}

function judgeRef(ref: string, schema: JsonObject, path: string): Problem[] {
  if (ref === '#') return [];
  if (!ref.startsWith('#/')) return [{ path, message: 'must point into this schema: #/…' }];
  return leads(ref.slice(1), schema) ? [] : [{ path, message: `${JSON.stringify(ref)} leads nowhere` }];
}

function leads(pointer: string, schema: JsonObject): boolean {
  try {
    return Pointer.Has(schema, decodeURIComponent(pointer));
  } catch {
    return false;
  }
}
