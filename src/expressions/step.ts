// Where expressions stand in a step, and which names the results of steps are found by. Called by the checks of definitions and by
// the watcher, so that both mean the same.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { listExpressions } from './template.ts';

export interface StepExpression {
  /** Below the step: `input`, `params.body.items[2]`. */
  path: string;
  text: string;
  /** What `$` is: the task's input, or the result of its program. */
  context: 'input' | 'result';
  /** Whether it may read secrets. */
  secrets: boolean;
  /** False: `${{` without an end. */
  closed: boolean;
}

/** What is looked at of a step. */
export interface StepData {
  params: JsonObject | null;
  options: JsonObject | null;
}

/** The names under which results are found. */
export interface Names {
  has: (name: string) => boolean;
}

/** The name under which others find the result. */
export function outputNameOf(step: string, options: JsonObject | null): string {
  const output = options?.['output'];
  return typeof output === 'string' ? output : step;
}

const BARE_NAME = /^[\p{L}_][\p{L}\p{N}_-]*$/u;
const WORDS: ReadonlySet<string> = new Set(['true', 'false', 'null']);

/** Whether an `input` can only be meant as the name of a step's output. */
export function isBareName(input: string): boolean {
  return BARE_NAME.test(input.trim()) && !WORDS.has(input.trim());
}

/** The input that is the bare name of a step's output, as the expression that gives it. */
export function expandInput(input: string, names: Names): string {
  return names.has(input.trim()) ? `$steps.${JSON.stringify(input.trim())}` : input;
}

/** Every expression of a step; what is not text is for others to refuse. `input` is `expandInput`ed. */
export function listStepExpressions({ params, options }: StepData, names: Names): StepExpression[] {
  const { input, when, select, map, fallback, compensate } = options ?? {};
  return [
    ...own('when', when),
    ...own('input', typeof input === 'string' ? expandInput(input, names) : input),
    ...own('select', select, 'result'),
    ...own('map.over', part(map, 'over')),
    ...list(options?.['catch']).flatMap((one, at) => own(`catch[${at}].result`, part(one, 'result'))),
    ...list(options?.['concurrency']).flatMap((one, at) => own(`concurrency[${at}].key`, part(one, 'key'))),
    ...own('rate.key', part(options?.['rate'], 'key')),
    ...within('params', params),
    ...within('fallback.params', part(fallback, 'params')),
    ...within('compensate.params', part(compensate, 'params')),
  ];
}

function own(path: string, text: Json | undefined, context: 'input' | 'result' = 'input'): StepExpression[] {
  return typeof text === 'string' ? [{ path, text, context, secrets: false, closed: true }] : [];
}

function within(path: string, params: Json | undefined): StepExpression[] {
  return listExpressions(params ?? null).map((found) => ({
    ...found,
    path: path + found.path,
    context: 'input',
    secrets: true,
  }));
}

function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

function part(value: Json | undefined, key: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value[key] : undefined;
}
