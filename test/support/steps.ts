// Builds steps for tests: one by hand, or random graphs for properties.

import * as fc from 'fast-check';
import type { Json, Step } from '../../src/dag/vocabulary.ts';

/** A step that runs `empty`; a root unless the rest says otherwise. */
export function makeStep(rest: Partial<Step> = {}): Step {
  return {
    seq: '1',
    id: null,
    program: 'empty',
    priority: 0,
    pool: null,
    params: {},
    options: null,
    dependsSeq: [],
    after: null,
    before: null,
    ...rest,
  };
}

/** Steps with seqs 1..n, each named and waiting for what the entry says: `{ a: [], b: ['a'] }`. */
export function makeSteps(after: Record<string, string[]>): Step[] {
  return Object.entries(after).map(([id, names], at) =>
    makeStep({ seq: `${at + 1}`, id, dependsSeq: null, after: names }),
  );
}

/** From the position of a predecessor to that of a dependant. */
type Edge = [from: number, to: number];
export interface RandomGraph {
  steps: Step[];
  edges: Edge[];
}

/** Valid definitions whose edges are spelled in all three ways, and whose order of seq is seldom topological. */
export function randomGraphs(most = 14): fc.Arbitrary<RandomGraph> {
  return fc
    .integer({ min: 1, max: most })
    .chain((size) => fc.tuple(shuffled(size), fc.array(fc.boolean(), bits(size)), choices(size)))
    .map(([ranks, present, spellings]) => spellGraph(ranks, listEdges(ranks, present), spellings));
}

type Kind = 'succeeded' | 'failed' | 'always' | 'goto' | undefined;

/** Valid definitions in which edges of all kinds meet in joins of all kinds. */
export function randomJoinGraphs(most: number): fc.Arbitrary<Step[]> {
  return randomGraphs(most).chain(({ steps, edges }) =>
    fc
      .tuple(
        fc.array(
          fc.constantFrom<Kind>(undefined, undefined, 'succeeded', 'failed', 'failed', 'always', 'goto'),
          {
            minLength: edges.length,
            maxLength: edges.length,
          },
        ),
        fc.array(fc.constantFrom<Json>('all', 'all', 'any', 'allDone', { n: 2 }), {
          minLength: steps.length,
          maxLength: steps.length,
        }),
      )
      .map(([kinds, joins]) => steps.map((_, at) => spellJoin(at, edges, kinds, joins[at]!))),
  );
}

function spellJoin(at: number, edges: Edge[], kinds: Kind[], join: Json): Step {
  const into = edges.flatMap(([from, to], edge) =>
    to === at ? [{ name: `s${from}`, kind: kinds[edge] }] : [],
  );
  const named = into.filter(({ kind }) => kind !== 'goto');
  const own = named.flatMap(({ name, kind }) => (kind === undefined ? [] : [[name, kind] as const]));
  const gotos = edges.flatMap(([from, to], edge) =>
    from === at && kinds[edge] === 'goto' ? [{ goto: `s${to}` }] : [],
  );
  const possible = typeof join === 'string' ? into.length > 0 : into.length > 1;
  return makeStep({
    seq: `${at + 1}`,
    id: `s${at}`,
    after: named.map(({ name }) => name),
    options: { join: possible ? join : 'all', edges: Object.fromEntries(own), catch: gotos },
  });
}

/** Every order of 0..size-1. */
export function shuffled(size: number): fc.Arbitrary<number[]> {
  const all = [...Array(size).keys()];
  return fc.shuffledSubarray(all, { minLength: size, maxLength: size });
}

type Spelling = 'after' | 'before' | 'seq';

function bits(size: number) {
  const length = (size * (size - 1)) / 2;
  return { minLength: length, maxLength: length };
}

function choices(size: number): fc.Arbitrary<Spelling[]> {
  return fc.array(fc.constantFrom<Spelling>('after', 'before', 'seq'), { minLength: size, maxLength: size });
}

/** Of all pairs that lead from a lower rank to a higher one, those that are present. */
function listEdges(ranks: number[], present: boolean[]): Edge[] {
  const positions = [...ranks.keys()];
  const pairs = positions.flatMap((a) => positions.filter((b) => b > a).map((b): Edge => [a, b]));
  return pairs
    .filter((_, at) => present[at])
    .map(([a, b]): Edge => ((ranks[a] ?? 0) < (ranks[b] ?? 0) ? [a, b] : [b, a]));
}

function spellGraph(ranks: number[], edges: Edge[], spellings: Spelling[]): RandomGraph {
  const into = (at: number) => edges.filter(([, to]) => to === at).map(([from]) => from);
  const outOf = (at: number) => edges.filter(([from]) => from === at).map(([, to]) => to);
  const steps = ranks.map((_, at) =>
    makeStep({
      seq: `${at + 1}`,
      id: `s${at}`,
      dependsSeq: spellings[at] === 'seq' ? into(at).map((from) => `${from + 1}`) : [],
      after: spellings[at] === 'after' ? into(at).map((from) => `s${from}`) : null,
      before: outOf(at)
        .filter((to) => spellings[to] === 'before')
        .map((to) => `s${to}`),
    }),
  );
  return { steps, edges };
}

/** What ms_flow says of a flow of which nobody said anything. */
export const bareHead = {
  tenant: 'local',
  name: null,
  description: null,
  maxRunning: null,
  type: null,
  cron: null,
  timezone: null,
  owners: [],
  status: 'inactive' as const,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  settings: null,
};
