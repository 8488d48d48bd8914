// Judges the expressions of a definition before anything runs: can they be read, and is everything that they name there by then?
// Called by check.ts.
import { buildGraph } from '../../dag/graph.ts';
import { nameOf } from '../../dag/names.ts';
import { didYouMean } from '../../dag/near.ts';
import type { Problem, Step } from '../../dag/vocabulary.ts';
import { parseExpression } from '../../expressions/parse.ts';
import type { Reads } from '../../expressions/reads.ts';
import {
  isBareName,
  listStepExpressions,
  outputNameOf,
  type StepExpression,
} from '../../expressions/step.ts';

interface Definition {
  /** Names of results, with the place of the step. */
  names: ReadonlyMap<string, number>;
  /** Ids of steps whose results have another name. */
  renamed: ReadonlyMap<string, string>;
  isBefore: (earlier: number, later: number) => boolean;
}

interface Finding {
  message: string;
  /** It names a step that is not there. */
  missing?: boolean;
  /** It names a step that does not come before; one that is not there yet may stand between. */
  early?: boolean;
}

/** Every problem with its place: `steps[3].input`. Steps come in order of seq. */
export function findExpressionProblems(steps: readonly Step[]): (Problem & Finding)[] {
  const outputs = steps.map((step) => outputNameOf(nameOf(step), step.options));
  const definition = {
    names: new Map(outputs.map((name, at) => [name, at])),
    renamed: new Map(steps.map((step, at) => [nameOf(step), outputs[at]!])),
    isBefore: makeIsBefore(steps),
  };
  return [
    ...findSharedNames(steps, outputs),
    ...steps.flatMap((step, at) => judgeStep(step, at, definition)),
    ...steps.flatMap((step, at) => judgeConditions(step, at, steps.map(nameOf), definition)),
  ];
}

/** A name that two results have would mean either. */
function findSharedNames(steps: readonly Step[], outputs: string[]): (Problem & Finding)[] {
  const first = new Map<string, number>();
  return outputs.flatMap((name, at) => {
    const other = first.get(name) ?? at;
    first.set(name, other);
    if (other === at || (steps[at]?.options?.['output'] ?? steps[other]?.options?.['output']) === undefined)
      return [];
    const place = steps[at]?.options?.['output'] === undefined ? other : at;
    const message = `${JSON.stringify(name)} is also what the result of steps[${place === at ? other : at}] is called; choose another`;
    return [{ path: `steps[${place}].output`, message }];
  });
}

function judgeStep({ params, options }: Step, at: number, definition: Definition): (Problem & Finding)[] {
  return listStepExpressions({ params, options }, definition.names).flatMap((expression) => {
    const path = `steps[${at}].${expression.path}`;
    return judge(expression, at, definition).map((finding) => ({ path, ...finding }));
  });
}

/** A condition is worked out where its edge begins: it knows what ended there, and what came before that. */
function judgeConditions(
  { options }: Step,
  at: number,
  names: string[],
  definition: Definition,
): (Problem & Finding)[] {
  const { conditions } = options ?? {};
  if (typeof conditions !== 'object' || conditions === null) return [];
  return Object.entries(conditions).flatMap(([source, text]) => {
    // Empty ones are refused by their shape, and an unknown source by the graph.
    if (typeof text !== 'string' || text === '') return [];
    const path = `conditions.${source}`;
    const expression = { path, text, context: 'result', secrets: false, closed: true } as const;
    const from = names.indexOf(source);
    const findings = judge(expression, from === -1 ? at : from, definition);
    return findings.map((finding) => ({ path: `steps[${at}].${path}`, ...finding }));
  });
}

function judge(expression: StepExpression, at: number, definition: Definition): Finding[] {
  const { path, text, closed } = expression;
  if (!closed) return [{ message: '"${{" has no "}}"; where it stands for itself, write ${{ "${{" }}' }];
  if (path === 'input' && isBareName(text)) return [describeUnknown(text.trim(), definition)];
  const parsed = parseExpression(text);
  if (parsed instanceof Error) return [{ message: parsed.message }];
  return [...judgeSteps(parsed.reads, expression, at, definition), ...judgeSecrets(parsed.reads, expression)];
}

function judgeSteps(
  { variables }: Reads,
  { path, text }: StepExpression,
  at: number,
  definition: Definition,
): Finding[] {
  const keys = variables.get('steps') ?? [];
  if (keys === 'all') return [];
  return [...keys].flatMap((name) => {
    const place = definition.names.get(name);
    if (place === undefined) return [describeUnknown(name, definition, text)];
    if (place === at) {
      // What undoes a step knows what it did, and what follows it may ask for that.
      if (path.startsWith('compensate.') || path.startsWith('conditions.')) return [];
      return [{ message: `${JSON.stringify(name)} is the step itself, which has no result yet` }];
    }
    if (definition.isBefore(place, at)) return [];
    return [
      { message: `${JSON.stringify(name)} need not have ended by then: put it into after`, early: true },
    ];
  });
}

function describeUnknown(name: string, { names, renamed }: Definition, text = ''): Finding {
  const output = renamed.get(name);
  if (output !== undefined)
    return { message: `the result of ${JSON.stringify(name)} is called ${JSON.stringify(output)}` };
  const unknown = `no step is called ${JSON.stringify(name)}`;
  // $steps.nightly-report is a subtraction.
  const quoted = [...names.keys()].find(
    (known) => known.startsWith(`${name}-`) && text.includes(`$steps.${known}`),
  );
  if (quoted !== undefined) return { message: `${unknown}: write $steps.\`${quoted}\`, since - is minus` };
  return {
    message: `${unknown}${didYouMean(name, names.keys()) || '; correct it or add the step'}`,
    missing: true,
  };
}

function judgeSecrets({ variables }: Reads, { secrets }: StepExpression): Finding[] {
  const keys = variables.get('secrets');
  if (keys === undefined) return [];
  if (!secrets) return [{ message: '$secrets is there in parameters only' }];
  return keys === 'all' ? [{ message: 'secrets are named one by one: $secrets.<name>' }] : [];
}

/** Whether a step has ended, or been left out, when another begins. */
function makeIsBefore(steps: readonly Step[]): Definition['isBefore'] {
  let depends: number[][] | undefined;
  return (earlier, later) => {
    depends ??= buildGraph(steps).depends;
    const seen = new Set([later]);
    const next = [later];
    for (let at = next.pop(); at !== undefined; at = next.pop())
      for (const before of depends[at] ?? []) {
        if (before === earlier) return true;
        if (seen.has(before)) continue;
        seen.add(before);
        next.push(before);
      }
    return false;
  };
}
