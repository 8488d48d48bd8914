// Flows as YAML (or JSON) text: read with the line and column of every problem, and written. Called by cmd/.
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  stringify,
} from 'yaml';
import { messageOf } from '../../errors.ts';
import type { Problem } from '../../dag/vocabulary.ts';
import { checkFlow } from './check.ts';
import type { FlowDefinition } from './schema.ts';

/** Lines and columns count from 1. */
export interface LocatedProblem extends Problem {
  line: number;
  column: number;
}

/** One document: a flow, or what keeps it from being one. */
export interface YamlFlow {
  /** null with problems. */
  flow: FlowDefinition | null;
  /** Where it begins. */
  line: number;
  problems: LocatedProblem[];
}

/** The flows of a text, one in each document. */
export function readYaml(text: string): YamlFlow[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const found = Array.isArray(documents) ? documents.filter(hasContent) : [];
  if (found.length > 0) return found.map((document) => readDocument(document, lines));
  const problem = { path: '', message: 'there is no flow in it', line: 1, column: 1 };
  return [{ flow: null, line: 1, problems: [problem] }];
}

function hasContent({ contents, errors }: Document.Parsed): boolean {
  return errors.length > 0 || !(contents === null || (isScalar(contents) && contents.value === null));
}

/** The text that reads back as the flow. */
export function writeYaml(flow: FlowDefinition): string {
  const steps = flow.steps.map(({ params = {}, ...step }) =>
    Object.keys(params).length === 0 ? step : { ...step, params },
  );
  return stringify({ ...flow, steps }, { lineWidth: 110, aliasDuplicateObjects: false });
}

function readDocument(document: Document.Parsed, lines: LineCounter): YamlFlow {
  const { line } = lines.linePos(isNode(document.contents) ? (document.contents.range?.[0] ?? 0) : 0);
  const broken = document.errors.map(({ message, pos }) => ({
    path: '',
    message,
    ...placeOf(pos[0], lines),
  }));
  if (broken.length > 0) return { flow: null, line, problems: broken };
  try {
    const value: unknown = document.toJS();
    const { problems, missing } = checkFlow(value);
    const located = [...problems, ...missing].map((problem) => locate(problem, document, lines));
    return {
      flow: located.length === 0 ? (value as FlowDefinition) : null,
      line,
      problems: located.sort(byPlace),
    };
  } catch (error) {
    // Aliases that would unfold to more than memory holds.
    return { flow: null, line, problems: [{ path: '', message: messageOf(error), line, column: 1 }] };
  }
}

/** The place of what the path leads to, or of the nearest thing around it that is there. */
function locate(problem: Problem, document: Document.Parsed, lines: LineCounter): LocatedProblem {
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  let rest = problem.path;
  while (rest !== '') {
    const next = descend(isAlias(node) ? node.resolve(document) : node, rest);
    if (next === null) break;
    offset = offsetOf(next.at) ?? offset;
    ({ node, rest } = next);
  }
  return { ...problem, ...placeOf(offset, lines) };
}

interface Descent {
  /** What to point at. */
  at: unknown;
  node: unknown;
  rest: string;
}

/** One step along a path such as `steps[3].retry.limit`; keys may themselves hold dots, so the longest that fits is taken. */
function descend(node: unknown, path: string): Descent | null {
  const index = /^\[(\d+)\]/.exec(path);
  if (isSeq(node) && index !== null) {
    const item = node.items[Number(index[1])];
    return item === undefined ? null : { at: item, node: item, rest: path.slice(index[0].length) };
  }
  if (!isMap(node)) return null;
  const text = path.startsWith('.') ? path.slice(1) : path;
  const fitting = node.items
    .map(({ key, value }) => ({ at: key, node: value, key: isScalar(key) ? String(key.value) : '' }))
    .filter(({ key }) => text === key || text.startsWith(`${key}.`) || text.startsWith(`${key}[`))
    .sort((a, b) => b.key.length - a.key.length);
  return fitting[0] === undefined ? null : { ...fitting[0], rest: text.slice(fitting[0].key.length) };
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function placeOf(offset: number, lines: LineCounter): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function byPlace(a: LocatedProblem, b: LocatedProblem): number {
  return a.line - b.line || a.column - b.column;
}
