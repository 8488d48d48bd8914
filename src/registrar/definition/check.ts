// The one validator of definitions: shape, what this version runs, and the graph, everything at once.
// Called for what the API and YAML bring (checkFlow) and for what the rows say when they are registered (checkStored).
import { readCatches } from '../../dag/catch.ts';
import { ALL, nameOf } from '../../dag/names.ts';
import { findProblems } from '../../dag/problems.ts';
import type { Json, JsonObject, Problem, Step } from '../../dag/vocabulary.ts';
import { findHookProblems } from './hook-problems.ts';
import { findCronProblem, findTimezoneProblem } from './cron.ts';
import { findExpressionProblems } from './expressions.ts';
import { findSchemaProblems } from './input-schema.ts';
import { Flow, FlowSettings, STEP_COLUMNS, Step as StepSchema, StepOptions } from './schema.ts';
import { findShapeProblems } from './shape.ts';
import { findUnsupported } from './supported.ts';

export interface Checked {
  /** With any of these it can neither be stored nor run. */
  problems: Problem[];
  /** References to steps that do not exist: it can be stored step by step, and run when they do. */
  missing: Problem[];
}

/** Ids that name something else, in paths and in lists of executions. */
const RESERVED_FLOWS = ['bulk', 'multiple', 'adhoc'];

/** Judges a flow as people write it. */
export function checkFlow(value: unknown): Checked {
  const steps = listSteps(value);
  const rows = steps.map(toLenientRow);
  const graph = findProblems(rows);
  const missing = findMissing(steps);
  const expressions = findExpressionProblems(rows);
  const mayCome = ({ missing: unknown, early }: (typeof expressions)[number]) =>
    unknown === true || (early === true && missing.size > 0);
  return {
    problems: [
      ...findShapeProblems(Flow, value, ''),
      ...checkFlowId(value),
      ...findHookProblems(value),
      ...checkTimes(asObject(value)),
      ...findUnsupported(value, Flow, '', ''),
      ...steps.flatMap((step, at) => refuseDots(asObject(step)['id'], `steps[${at}].id`)),
      ...steps.flatMap((step, at) => findUnsupported(step, StepSchema, 'steps', `steps[${at}]`)),
      ...graph.filter(({ path }) => !missing.has(path)),
      ...expressions.filter((found) => !mayCome(found)).map(toProblem),
      ...checkInputSchema(asObject(value)['inputSchema']),
    ],
    missing: [
      ...graph.filter(({ path }) => missing.has(path)),
      ...expressions.filter(mayCome).map(toProblem),
    ],
  };
}

function toProblem({ path, message }: Problem): Problem {
  return { path, message };
}

/** Judges rows: what stands in their json columns, and the graph. */
export function checkStored(steps: readonly Step[], settings: JsonObject | null): Problem[] {
  return [
    ...findShapeProblems(FlowSettings, settings ?? {}, ''),
    ...findHookProblems(settings),
    ...findUnsupported(settings, FlowSettings, '', ''),
    ...steps.flatMap(({ options }, at) => checkOptions(options, `steps[${at}]`)),
    ...findProblems(steps),
    ...findExpressionProblems(steps).map(toProblem),
    ...checkInputSchema(settings?.['inputSchema']),
  ];
}

function checkOptions(options: JsonObject | null, path: string): Problem[] {
  if (options === null) return [];
  const problems = findShapeProblems(StepOptions, options, path).map((problem) => {
    const column = STEP_COLUMNS[problem.path.slice(path.length + 1) as keyof typeof STEP_COLUMNS];
    const message = `stands in options; write it into the column ${column}`;
    return column === undefined ? problem : { ...problem, message };
  });
  return [...problems, ...findUnsupported(options, StepOptions, 'steps', path)];
}

function checkInputSchema(schema: Json | undefined): Problem[] {
  const isObject = typeof schema === 'object' && schema !== null && !Array.isArray(schema);
  return isObject ? findSchemaProblems(schema, 'inputSchema') : [];
}

function checkFlowId(value: unknown): Problem[] {
  const { id } = asObject(value);
  if (typeof id !== 'string') return [];
  if (RESERVED_FLOWS.includes(id)) return [{ path: 'id', message: `"${id}" is reserved; choose another` }];
  if (id !== '' && id.trim() === '') return [{ path: 'id', message: 'must not be blank' }];
  return refuseDots(id, 'id');
}

/** When the flow starts by itself. Empty texts are refused by their shape. */
export function checkTimes({ cron, timezone }: { [key: string]: unknown }): Problem[] {
  const wrongCron = isName(cron) ? findCronProblem(cron) : undefined;
  const wrongZone = isName(timezone) ? findTimezoneProblem(timezone) : undefined;
  return [
    ...(wrongCron === undefined ? [] : [{ path: 'cron', message: wrongCron }]),
    ...(wrongZone === undefined ? [] : [{ path: 'timezone', message: wrongZone }]),
  ];
}

/** In a path these mean something else, however they are encoded. */
function refuseDots(id: unknown, path: string): Problem[] {
  return id === '.' || id === '..'
    ? [{ path, message: `"${id}" cannot stand in a URL; choose another` }]
    : [];
}

function listSteps(value: unknown): unknown[] {
  const { steps } = asObject(value);
  return Array.isArray(steps) ? steps : [];
}

/** What the graph needs of a step, however wrong the rest of it is. */
function toLenientRow(value: unknown, at: number): Step {
  const { id, program, priority, after, before, params, ...options } = asObject(value);
  return {
    seq: `${at + 1}`,
    id: isName(id) ? id : null,
    program: isName(program) ? program : 'empty',
    priority: typeof priority === 'number' && Math.abs(priority) < 20 ? priority : 0,
    pool: null,
    params: asObject(params) as JsonObject,
    options: options as JsonObject,
    dependsSeq: null,
    after: listNames(after),
    before: listNames(before),
  };
}

/** Paths of the references that name no step. */
function findMissing(steps: unknown[]): ReadonlySet<string> {
  const rows = steps.map(toLenientRow);
  const known = new Set([ALL, ...rows.map(nameOf)]);
  const paths = rows.flatMap(({ after, before, options }, at) => [
    ...listUnknown(after, known, `steps[${at}].after`),
    ...listUnknown(before, known, `steps[${at}].before`),
    ...['edges', 'conditions'].flatMap((key) =>
      Object.keys(asObject(options?.[key])).flatMap((name) =>
        known.has(name) ? [] : [`steps[${at}].${key}.${name}`],
      ),
    ),
    ...readCatches(options).flatMap(({ goto }, entry) =>
      goto === null || known.has(goto) ? [] : [`steps[${at}].catch[${entry}].goto`],
    ),
  ]);
  return new Set(paths);
}

function listUnknown(names: string[] | null, known: ReadonlySet<string>, path: string): string[] {
  return (names ?? []).flatMap((name, at) => (known.has(name) ? [] : [`${path}[${at}]`]));
}

function listNames(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function asObject(value: unknown): { [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
