// Adds to claimed tasks what their rows do not say: program, step, and the input of programs that read it. One statement a kind, for the whole batch.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import type { Claimed, Ended } from '../sql/advance.ts';
import type { Database } from '../sql/database.ts';
import { readPlans, readPrograms, readResults, type PlannedTask } from '../sql/plans.ts';
import type { Callback } from '../programs/program.ts';
import type { Registry } from '../programs/registry.ts';
import { issueCallbacks } from './callbacks.ts';

export interface Prepared {
  /** null: no definition row names the program. */
  program: string | null;
  step: string;
  options: JsonObject | null;
  input: Json;
  /** Only of steps that await one. */
  callback: Callback | null;
}

export interface Prepare {
  /** `settled` are the attempts recorded in the call that claimed: their results need no reading. */
  (tasks: Claimed[], settled: Ended[]): Promise<Prepared[]>;
}

/** What the definition says. */
type Known = Omit<Prepared, 'input' | 'callback'>;
type Plan = Map<string, PlannedTask>;
const PLANS_KEPT = 1_000;

/** `callbackUrl` is where others answer for a task, without the token. */
export function makePrepare(db: Database, registry: Registry, callbackUrl: string): Prepare {
  const plans = new Map<string, Plan>();
  return async (tasks, settled) => {
    const programs = await findPrograms(db, plans, tasks);
    const inputs = await findInputs(db, registry, plans, tasks, programs, settled);
    const callbacks = await issueCallbacks(db, callbackUrl, tasks, programs);
    return programs.map((known, i) => ({
      ...known,
      input: inputs.get(tasks[i]!) ?? null,
      callback: callbacks.get(tasks[i]!) ?? null,
    }));
  };
}

async function findPrograms(db: Database, plans: Map<string, Plan>, tasks: Claimed[]): Promise<Known[]> {
  await loadPlans(db, plans, tasks);
  const byHand = tasks.filter((task) => task.version === null);
  const found = byHand.length > 0 ? await readPrograms(db, byHand) : [];
  const handMade = new Map(byHand.map((task, i) => [task, found[i] ?? unknownOf(task)]));
  return tasks.map((task) => handMade.get(task) ?? planned(plans, task));
}

function planned(plans: Map<string, Plan>, task: Claimed): Known {
  return plans.get(task.version!)?.get(task.seq) ?? unknownOf(task);
}

function unknownOf(task: Claimed): Known {
  return { step: task.taskSeq, program: null, options: null };
}

/** A version never changes, so what was read once stays right; the oldest are forgotten. */
async function loadPlans(db: Database, plans: Map<string, Plan>, tasks: Claimed[]): Promise<void> {
  const missing = new Set<string>();
  for (const { version } of tasks) if (version !== null && !plans.has(version)) missing.add(version);
  if (missing.size === 0) return;
  for (const [version, planTasks] of await readPlans(db, [...missing]))
    plans.set(version, new Map(planTasks.map((task) => [task.seq, task])));
  for (const version of plans.keys()) if (plans.size > PLANS_KEPT + missing.size) plans.delete(version);
}

async function findInputs(
  db: Database,
  registry: Registry,
  plans: Map<string, Plan>,
  tasks: Claimed[],
  programs: Known[],
  settled: Ended[],
): Promise<Map<Claimed, Json>> {
  const readers = tasks.filter((_, i) => registry.get(programs[i]!.program ?? '')?.readsInput);
  const inputs = new Map<Claimed, Json>();
  if (readers.length === 0) return inputs;
  const results = await findResults(db, readers, settled);
  for (const task of readers) inputs.set(task, inputOf(task, plans, results));
  return inputs;
}

/** JSON texts of results, by task. */
type Results = Map<string, string | null>;
const keyOf = (flow: string, seq: string) => `${seq}\u0000${flow}`;

async function findResults(db: Database, readers: Claimed[], settled: Ended[]): Promise<Results> {
  const known: Results = new Map(settled.map((e) => [keyOf(e.flow, e.seq), e.result]));
  const missing = new Map<string, { flow: string; seq: string }>();
  for (const { flow, depends, input } of readers) {
    if (input !== null) continue;
    for (const seq of depends) if (!known.has(keyOf(flow, seq))) missing.set(keyOf(flow, seq), { flow, seq });
  }
  if (missing.size === 0) return known;
  const texts = await readResults(db, [...missing.values()]);
  [...missing.keys()].forEach((key, i) => known.set(key, texts[i] ?? null));
  return known;
}

/** The task's own input; else its one predecessor's result, or an object of results by step. */
function inputOf(task: Claimed, plans: Map<string, Plan>, results: Results): Json {
  if (task.input !== null) return JSON.parse(task.input) as Json;
  const resultOf = (seq: string) => JSON.parse(results.get(keyOf(task.flow, seq)) ?? 'null') as Json;
  const [only, ...others] = task.depends;
  if (only === undefined) return null;
  if (others.length === 0) return resultOf(only);
  const plan = task.version === null ? undefined : plans.get(task.version);
  return Object.fromEntries(task.depends.map((seq) => [plan?.get(seq)?.step ?? seq, resultOf(seq)]));
}
