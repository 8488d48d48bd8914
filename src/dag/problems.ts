// Validation of a definition: every problem at once, each with its place and what to do.
// Called before a definition is stored and before it is registered. The order of definition never changes the verdict.

import { findCycles } from './cycles.ts';
import { buildGraph } from './graph.ts';
import { findJoinProblems } from './join-problems.ts';
import { nameOf, RESERVED_IDS } from './names.ts';
import { findReferenceProblems } from './references.ts';
import { PRIORITY_MAX, PRIORITY_MIN, type Problem, type Step } from './vocabulary.ts';

/** All that is wrong with a definition whose steps come in order of seq; [] when it can run, or has no steps. */
export function findProblems(steps: readonly Step[]): Problem[] {
  return [
    ...steps.flatMap(findStepProblems),
    ...findDuplicateSeqs(steps),
    ...findDuplicateNames(steps),
    ...findReferenceProblems(steps),
    ...findJoinProblems(steps),
    ...findCycleProblems(steps),
  ];
}

function findStepProblems(step: Step, at: number): Problem[] {
  const problems: Problem[] = [];
  const report = (field: string, message: string) =>
    problems.push({ path: `steps[${at}].${field}`, message });
  if (step.id?.trim() === '') report('id', 'the step id is empty; give it a name, or leave the id out');
  if (RESERVED_IDS.includes(step.id ?? '')) report('id', `"${step.id}" is reserved; choose another step id`);
  if (step.program.trim() === '')
    report('program', 'the program is empty; name the program that the step runs');
  if (!(step.priority >= PRIORITY_MIN && step.priority < PRIORITY_MAX + 1)) {
    report(
      'priority',
      `${step.priority} is out of range; choose a priority from ${PRIORITY_MIN} to ${PRIORITY_MAX}`,
    );
  }
  return problems;
}

function findDuplicateSeqs(steps: readonly Step[]): Problem[] {
  return groupBy(steps, (step) => step.seq).flatMap(([first = 0, ...others]) =>
    others.map((at) => ({
      path: `steps[${at}].seq`,
      message: `the seq ${steps[at]?.seq} is also that of steps[${first}]; give each step a seq of its own`,
    })),
  );
}

function findDuplicateNames(steps: readonly Step[]): Problem[] {
  return groupBy(steps, nameOf).flatMap((group) => {
    const named = group.filter((at) => steps[at]?.id !== null);
    const bySeq = group.find((at) => steps[at]?.id === null);
    const [first = 0, ...others] = named;
    const id = JSON.stringify(steps[first]?.id);
    const message =
      bySeq === undefined
        ? `the step id ${id} is also that of steps[${first}]; choose another`
        : `the step id ${id} is also what steps[${bySeq}] is called, which has no id and goes by its seq; choose another`;
    return (bySeq === undefined ? others : named).map((at) => ({ path: `steps[${at}].id`, message }));
  });
}

function findCycleProblems(steps: readonly Step[]): Problem[] {
  const names = steps.map(nameOf);
  return findCycles(buildGraph(steps)).map((cycle) => {
    const [start = 0] = cycle;
    const path = [...cycle, start].map((at) => names[at]).join(' → ');
    return {
      path: `steps[${start}]`,
      message: `cycle: ${path}; each waits for the one before it, so none can start: remove one of these dependencies`,
    };
  });
}

/** Positions of the steps that share a key, for every key that several share. */
function groupBy(steps: readonly Step[], keyOf: (step: Step) => string): number[][] {
  const keys = steps.map(keyOf);
  const groups = Map.groupBy(keys.keys(), (at) => keys[at] ?? '');
  return [...groups.values()].filter((group) => group.length > 1);
}
