// Judges every reference of a definition (`dependsSeq`, `after`, `before`): does it name one other step, once?
// Called by validation.

import { ALL, AMBIGUOUS, indexSteps, nameOf, type StepIndex } from './names.ts';
import { didYouMean } from './near.ts';
import type { Problem, Step } from './vocabulary.ts';

type Field = 'dependsSeq' | 'after' | 'before';
interface Reference {
  from: number;
  fromName: string;
  field: Field;
  at: number;
  to: string;
  repeated: boolean;
}

/** A suggestion looks at every step; once all together have looked at this many, unknown names get none. */
const MOST_LOOKS = 20_000;
const MOST_LISTED = 8;

/** One problem for each reference that is repeated, unknown, or the step itself; `dependsSeq` beside an `after` is not read. */
export function findReferenceProblems(steps: readonly Step[]): Problem[] {
  const index = indexSteps(steps);
  const suggest = makeSuggest(steps, index);
  return steps.flatMap(listReferences).flatMap((reference) => {
    const message = judge(reference, index, suggest);
    const path = `steps[${reference.from}].${reference.field}[${reference.at}]`;
    return message === null ? [] : [{ path, message }];
  });
}

function listReferences(step: Step, from: number): Reference[] {
  const fields: Field[] = [step.after === null ? 'dependsSeq' : 'after', 'before'];
  return fields.flatMap((field) => {
    const seen = new Set<string>();
    // An SQL array may hold NULL: it is then reported as the unknown name "null".
    return (step[field] ?? []).map(String).map((to, at) => {
      const repeated = seen.has(to);
      seen.add(to);
      return { from, fromName: nameOf(step), field, at, to, repeated };
    });
  });
}

function judge(
  reference: Reference,
  index: StepIndex,
  suggest: (reference: Reference) => string,
): string | null {
  const { from, fromName, field, to, repeated } = reference;
  if (repeated) return `${JSON.stringify(to)} is named twice in this list; name it once`;
  if (field === 'after' && to === ALL) return null;
  if (field === 'before' && to === ALL) return '"all" is understood in after only; name the steps one by one';
  const target = (field === 'dependsSeq' ? index.bySeq : index.byName).get(to);
  if (target === undefined) return suggest(reference);
  if (target !== from) return null;
  return `the step waits for itself (${fromName} → ${fromName}); name another step or leave it out`;
}

function makeSuggest(steps: readonly Step[], index: StepIndex): (reference: Reference) => string {
  let looks = 0;
  return ({ field, to }) => {
    const unknown =
      field === 'dependsSeq' ? `no step has the seq ${to}` : `no step is called ${JSON.stringify(to)}`;
    if (looks >= MOST_LOOKS) return `${unknown}; correct it or add the step`;
    looks += steps.length;
    return unknown + (field === 'dependsSeq' ? listSome(index.bySeq) : suggestName(to, steps, index));
  };
}

function suggestName(name: string, steps: readonly Step[], index: StepIndex): string {
  const sameSeq = steps[index.bySeq.get(name) ?? AMBIGUOUS];
  if (sameSeq !== undefined)
    return ` (did you mean ${JSON.stringify(nameOf(sameSeq))}, whose seq is ${name}?)`;
  return didYouMean(name, index.byName.keys()) || listSome(index.byName);
}

function listSome(names: ReadonlyMap<string, number>): string {
  const some = [...names.keys()].slice(0, MOST_LISTED).join(', ');
  const rest = names.size > MOST_LISTED ? `, … and ${names.size - MOST_LISTED} more` : '';
  return ` (there are ${some}${rest})`;
}
