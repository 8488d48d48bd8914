// Fetches what tasks look at beyond their rows: results of predecessors as input, results that expressions name, the input of
// executions. One statement a kind, for the whole batch, and none when nobody looks. Called by prepare.ts.
import type { Json } from '../dag/vocabulary.ts';
import type { Scope } from '../expressions/scope.ts';
import { outputNameOf } from '../expressions/step.ts';
import type { Registry } from '../programs/registry.ts';
import type { Claimed } from '../sql/advance.ts';
import type { Ended } from '../sql/ended.ts';
import type { Database } from '../sql/database.ts';
import { readExecutionInputs, readNamedResults, readResults } from '../sql/results.ts';
import { findAncestors, type Known, type KnownPlan, type KnownPlans } from './known-plans.ts';

export interface Gathered {
  /** Without what `input` makes of it. */
  input: Json;
  /** What expressions see, but for the input; undefined: there are none. */
  scope: Scope | undefined;
}

/** A task for which something has to be fetched. */
interface Reader {
  task: Claimed;
  known: Known;
  /** Undefined: inserted by hand. */
  plan: KnownPlan | undefined;
  /** Whether the input that there is without an expression is looked at. */
  input: boolean;
}

const NOBODY: ReadonlyMap<Claimed, Gathered> = new Map();

export async function gather(
  deps: { db: Database; registry: Registry; plans: KnownPlans },
  tasks: Claimed[],
  known: Known[],
  settled: Ended[],
): Promise<ReadonlyMap<Claimed, Gathered>> {
  const readers = listReaders(deps, tasks, known);
  if (readers.length === 0) return NOBODY;
  const [results, named, inputs] = [
    await findResults(deps.db, readers, settled),
    await findNamed(deps.db, readers),
    await findExecutionInputs(deps.db, readers),
  ];
  return new Map(
    readers.map((reader) => {
      const scope = reader.known.data === null ? undefined : makeScope(reader, results, named, inputs);
      return [reader.task, { input: reader.input ? inputOf(reader, results) : null, scope }];
    }),
  );
}

function listReaders(
  { registry, plans }: { registry: Registry; plans: KnownPlans },
  tasks: Claimed[],
  known: Known[],
): Reader[] {
  const readers: Reader[] = [];
  tasks.forEach((task, i) => {
    const { program, data } = known[i]!;
    const readsInput = registry.get(program ?? '')?.readsInput === true;
    if (data === null && !readsInput) return;
    const wanted = readsInput || data?.readsInput === true;
    const input = data?.input === undefined ? wanted : wanted && data.refinesInput;
    readers.push({
      task,
      known: known[i]!,
      plan: task.version === null ? undefined : plans.get(task.version),
      input,
    });
  });
  return readers;
}

/** JSON texts of results, by task. */
type Results = Map<string, string | null>;
const keyOf = (flow: string, seq: string) => `${seq}\u0000${flow}`;

async function findResults(db: Database, readers: Reader[], settled: Ended[]): Promise<Results> {
  const known: Results = new Map(settled.map((e) => [keyOf(e.flow, e.seq), e.result]));
  const missing = new Map<string, { flow: string; seq: string }>();
  for (const reader of readers)
    for (const seq of listSeqs(reader)) {
      const { flow } = reader.task;
      if (!known.has(keyOf(flow, seq))) missing.set(keyOf(flow, seq), { flow, seq });
    }
  if (missing.size === 0) return known;
  const texts = await readResults(db, [...missing.values()]);
  [...missing.keys()].forEach((key, i) => known.set(key, texts[i] ?? null));
  return known;
}

/** Exec seqs of the tasks whose results it looks at. */
function listSeqs(reader: Reader): Iterable<string> {
  const { task, input } = reader;
  const named = listNamed(reader).map(([, seq]) => seq);
  return input && task.input === null ? [...task.depends, ...named] : named;
}

/** Names that its expressions read, with the exec seqs that the plan has for them. */
function listNamed({ task, known: { data }, plan }: Reader): [name: string, seq: string][] {
  if (data === null || plan === undefined) return [];
  if (data.steps !== 'all')
    return [...data.steps].flatMap((name) => {
      const seq = plan.seqs.get(name);
      return seq === undefined ? [] : [[name, seq] as [string, string]];
    });
  const ancestors = findAncestors(plan, task.seq);
  return [...plan.seqs].filter(([, seq]) => ancestors.has(seq));
}

/** For tasks inserted by hand, whose names no plan has: outputs by name, by execution. */
type Named = ReadonlyMap<string, ReadonlyMap<string, string | null>>;

async function findNamed(db: Database, readers: Reader[]): Promise<Named> {
  const flows = readers
    .filter(({ plan, known: { data } }) => plan === undefined && data !== null && isAny(data.steps))
    .map(({ task }) => task.flow);
  return flows.length === 0 ? new Map() : readNamedResults(db, [...new Set(flows)]);
}

function isAny(steps: ReadonlySet<string> | 'all'): boolean {
  return steps === 'all' || steps.size > 0;
}

async function findExecutionInputs(db: Database, readers: Reader[]): Promise<ReadonlyMap<string, Json>> {
  const flows = readers.filter(({ known }) => known.data?.readsExecutionInput).map(({ task }) => task.flow);
  return flows.length === 0 ? new Map() : readExecutionInputs(db, [...new Set(flows)]);
}

function makeScope(reader: Reader, results: Results, named: Named, inputs: ReadonlyMap<string, Json>): Scope {
  const { flow, taskId } = reader.task;
  return {
    execution: { id: flow, flow: taskId, input: inputs.get(flow) ?? null },
    steps: Object.fromEntries(listOutputs(reader, results, named)),
  };
}

function listOutputs(reader: Reader, results: Results, named: Named): [string, Json][] {
  const { flow } = reader.task;
  if (reader.plan !== undefined)
    return listNamed(reader).map(([name, seq]) => [name, parse(results.get(keyOf(flow, seq)))]);
  const steps = reader.known.data?.steps ?? new Set();
  return [...(named.get(flow) ?? [])]
    .filter(([name]) => steps === 'all' || steps.has(name))
    .map(([name, text]) => [name, parse(text)]);
}

/** The task's own input; else its one predecessor's result, or an object of results by name. */
function inputOf({ task, plan }: Reader, results: Results): Json {
  if (task.input !== null) return parse(task.input);
  const resultOf = (seq: string) => parse(results.get(keyOf(task.flow, seq)));
  const [only, ...others] = task.depends;
  if (only === undefined) return null;
  if (others.length === 0) return resultOf(only);
  return Object.fromEntries(task.depends.map((seq) => [nameOf(plan, seq), resultOf(seq)]));
}

function nameOf(plan: KnownPlan | undefined, seq: string): string {
  const known = plan?.tasks.get(seq);
  return known === undefined ? seq : outputNameOf(known.step, known.options);
}

function parse(text: string | null | undefined): Json {
  return JSON.parse(text ?? 'null') as Json;
}
