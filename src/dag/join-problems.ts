// Judges what steps say of the edges that lead to them and of where their failures go. Called by validation.

import { listGotos, readCatches } from './catch.ts';
import { buildGraph } from './graph.ts';
import { readNeed } from './join.ts';
import { ALL, AMBIGUOUS, indexSteps, nameOf } from './names.ts';
import { didYouMean } from './near.ts';
import type { Json, Problem, Step } from './vocabulary.ts';

/** One problem for each edge, count or goto that names what is not there. */
export function findJoinProblems(steps: readonly Step[]): Problem[] {
  if (
    !steps.some(
      ({ options }) =>
        options?.['join'] ?? options?.['edges'] ?? options?.['catch'] ?? options?.['conditions'],
    )
  )
    return [];
  const predecessors = listPredecessors(steps);
  return steps.flatMap((step, at) => [
    ...findEdgeProblems(step, predecessors[at]!, `steps[${at}]`),
    ...findConditionProblems(step, predecessors[at]!, `steps[${at}]`),
    ...findNeedProblems(step, predecessors[at]!, `steps[${at}].join`),
    ...findCatchProblems(step, `steps[${at}]`),
    ...findGotoProblems(steps, at),
  ]);
}

/** Names that each step waits for, those included that no step has (yet). */
function listPredecessors(steps: readonly Step[]): ReadonlySet<string>[] {
  const { depends, gotos } = buildGraph(steps);
  return steps.map(({ after }, at) => {
    const reached = new Set(gotos[at]);
    const named = (depends[at] ?? [])
      .filter((from) => !reached.has(from))
      .map((from) => nameOf(steps[from]!));
    return new Set([...named, ...(after ?? []).filter((name) => name !== ALL)]);
  });
}

function findEdgeProblems({ options }: Step, predecessors: ReadonlySet<string>, path: string): Problem[] {
  const unknown = Object.keys(asObject(options?.['edges'])).filter((name) => !predecessors.has(name));
  return unknown.map((name) => {
    const near = didYouMean(name, predecessors);
    const advice = near || '; name one of the steps in its after';
    return {
      path: `${path}.edges.${name}`,
      message: `the step does not wait for ${JSON.stringify(name)}${advice}`,
    };
  });
}

/** A condition stands on an edge that a success takes. */
function findConditionProblems(
  { options }: Step,
  predecessors: ReadonlySet<string>,
  path: string,
): Problem[] {
  const kinds = asObject(options?.['edges']);
  return Object.keys(asObject(options?.['conditions'])).flatMap((name) => {
    const place = `${path}.conditions.${name}`;
    const quoted = JSON.stringify(name);
    if (!predecessors.has(name)) {
      const advice = didYouMean(name, predecessors) || '; name one of the steps in its after';
      return [{ path: place, message: `the step does not wait for ${quoted}${advice}` }];
    }
    const kind = kinds[name] ?? (options?.['join'] === 'allDone' ? 'always' : 'succeeded');
    if (kind === 'succeeded') return [];
    const message = `the edge from ${quoted} asks for ${JSON.stringify(kind)}, so a condition cannot decide it; make it "succeeded" in edges`;
    return [{ path: place, message }];
  });
}

function findNeedProblems({ options }: Step, predecessors: ReadonlySet<string>, path: string): Problem[] {
  const join = options?.['join'];
  const need = readNeed(join) ?? 0;
  if (need <= predecessors.size) return [];
  if (predecessors.size === 0)
    return [{ path, message: 'the step waits for no other, so nothing can arrive; name steps in its after' }];
  const message = `${need} steps cannot arrive: it waits for ${predecessors.size} (${[...predecessors].join(', ')})`;
  return [{ path: join === 'any' ? path : `${path}.n`, message }];
}

/** A catch says where a failure goes: on to all, or to one step. */
function findCatchProblems({ options }: Step, path: string): Problem[] {
  const given = options?.['catch'];
  return (Array.isArray(given) ? given : []).flatMap((entry, at) => {
    const { goto, continue: goesOn } = asObject(entry);
    const place = `${path}.catch[${at}]`;
    if (goto === undefined && goesOn !== true)
      return [{ path: place, message: 'says not how to go on; add continue: true, or goto with a step' }];
    if (goto === undefined || goesOn === undefined || goesOn === false) return [];
    return [{ path: place, message: 'has both goto and continue; choose one' }];
  });
}

function findGotoProblems(steps: readonly Step[], at: number): Problem[] {
  const step = steps[at]!;
  if (listGotos(step).length === 0) return [];
  const { byName } = indexSteps(steps);
  return readCatches(step.options).flatMap(({ goto }, entry) => {
    if (goto === null) return [];
    const path = `steps[${at}].catch[${entry}].goto`;
    const target = byName.get(goto);
    if (target === undefined) {
      const near = didYouMean(goto, byName.keys());
      return [{ path, message: `no step is called ${JSON.stringify(goto)}${near}` }];
    }
    if (target === AMBIGUOUS) return [{ path, message: `several steps are called ${JSON.stringify(goto)}` }];
    if (target !== at) return [];
    return [{ path, message: 'the step leads to itself; give it a retry, or name another step' }];
  });
}

function asObject(value: Json | undefined): { [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}
