// What may happen to executions while they run, as data: random scripts of it for the model test.
import * as fc from 'fast-check';
import type { Step } from '../../src/dag/vocabulary.ts';
import { randomGraphs, randomJoinGraphs } from './steps.ts';

/** Numbers without a range pick from what there is at that moment. */
export type Edit =
  | { kind: 'set'; pick: number; status: 0 | 1 | 2 | 3 | 9; reason?: string; params?: boolean }
  | { kind: 'delete'; pick: number }
  | { kind: 'insert'; pick: number; seq: number; depends: number; status: 0 | 1 | 2 | 3 | 9 }
  | { kind: 'priority'; pick: number; priority: number }
  | { kind: 'hold'; pick: number; hold: boolean };

/** One watcher's part in a call: which of its tasks ended, how, and what it asks for. */
export interface Turn {
  watcher: number;
  /** One entry a held task, in order. */
  outcomes: Ending[];
  slots: number;
  want: number;
  urgent: number;
  /** Claims from the head, which overrules `urgent`. */
  head: boolean;
  /** The call commits, but its answer never arrives. */
  lost: boolean;
}

/** How an attempt ends; goto: caught, and one of the dependants goes on; a signal's name: it waits for that. */
export type Ending =
  | 'finished'
  | 'failed'
  | 'retry'
  | 'running'
  | 'allowed_failure'
  | 'skipped'
  | 'caught'
  | 'goto'
  | SignalName;

export type Move =
  | { kind: 'advance'; turns: Turn[] }
  | { kind: 'edit'; edits: Edit[] }
  | { kind: 'return'; watcher: number; outcomes: boolean[]; begun: boolean }
  | { kind: 'rescue'; watcher: number }
  | { kind: 'admit' }
  /** All timers come due. */
  | { kind: 'fire' }
  | { kind: 'signal'; pick: number; name: SignalName }
  | { kind: 'control'; pick: number; verb: Verb; task: number; downstream: boolean };

/** `late` is waited for with a timeout. */
export type SignalName = 'go' | 'late';

export type Verb = 'pause' | 'resume' | 'abort' | 'rerun' | 'skip';

export interface Script {
  graphs: Step[][];
  /** Whether the first failure stops the other branches of the executions of `graphs`. */
  failFast: boolean;
  /** The graph of a flow with `max_running`, of which three executions are registered. */
  limited: Step[];
  maxRunning: number;
  watchers: number;
  moves: Move[];
}

/** Executions of random graphs, and what befalls them. */
export function randomScripts(): fc.Arbitrary<Script> {
  return fc.record({
    graphs: fc.array(
      fc.oneof(
        randomGraphs(8).map(({ steps }) => steps),
        randomJoinGraphs(8),
      ),
      { minLength: 1, maxLength: 2 },
    ),
    failFast: fc.nat(3).map((n) => n === 0),
    limited: randomGraphs(3).map(({ steps }) => steps),
    maxRunning: fc.integer({ min: 1, max: 3 }),
    watchers: fc.integer({ min: 1, max: 3 }),
    moves: fc.array(randomMoves(), { minLength: 4, maxLength: 30, size: 'max' }),
  });
}

function randomMoves(): fc.Arbitrary<Move> {
  return fc.oneof(
    { weight: 10, arbitrary: randomTurns().map((turns): Move => ({ kind: 'advance', turns })) },
    { weight: 5, arbitrary: randomEdits().map((edits): Move => ({ kind: 'edit', edits })) },
    { weight: 1, arbitrary: randomReturns() },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('rescue'), watcher: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('admit', 'fire') }) },
    { weight: 5, arbitrary: randomControl() },
    { weight: 4, arbitrary: randomSignals() },
  );
}

function randomSignals(): fc.Arbitrary<Move> {
  return fc.record({
    kind: fc.constant('signal'),
    pick: fc.nat(99),
    name: fc.constantFrom<SignalName>('go', 'late'),
  });
}

function randomControl(): fc.Arbitrary<Move> {
  return fc.record({
    kind: fc.constant('control'),
    pick: fc.nat(99),
    verb: fc.constantFrom<Verb>('pause', 'resume', 'resume', 'abort', 'rerun', 'rerun', 'skip'),
    task: fc.nat(99),
    downstream: fc.boolean(),
  });
}

/** Mostly one watcher's call, sometimes several at once. */
function randomTurns(): fc.Arbitrary<Turn[]> {
  const turn = fc.record({
    watcher: fc.nat(2),
    outcomes: fc.array(randomEndings(), { minLength: 8, maxLength: 8 }),
    slots: fc.integer({ min: 0, max: 6 }),
    want: fc.integer({ min: 0, max: 8 }),
    urgent: fc.constantFrom(-20, 0, 19),
    head: fc.boolean(),
    lost: fc.nat(9).map((n) => n === 0),
  });
  return fc.uniqueArray(turn, { selector: ({ watcher }) => watcher, minLength: 1, maxLength: 3 });
}

function randomEndings(): fc.Arbitrary<Ending> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant<Ending>('finished') },
    { weight: 3, arbitrary: fc.constant<Ending>('failed') },
    { weight: 3, arbitrary: fc.constantFrom<Ending>('go', 'late') },
    {
      weight: 5,
      arbitrary: fc.constantFrom<Ending>('retry', 'running', 'allowed_failure', 'skipped', 'caught', 'goto'),
    },
  );
}

function randomReturns(): fc.Arbitrary<Move> {
  return fc.record({
    kind: fc.constant('return'),
    watcher: fc.nat(2),
    outcomes: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    begun: fc.boolean(),
  });
}

/** The edits of one transaction. */
function randomEdits(): fc.Arbitrary<Edit[]> {
  const pick = fc.nat(99);
  const status = fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const, 9 as const);
  const edit = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), pick, status }) },
    { weight: 3, arbitrary: fc.tuple(pick, randomReasons()).map(([pick, set]): Edit => ({ pick, ...set })) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), pick }) },
    { weight: 2, arbitrary: randomInserts(pick) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('priority' as const),
        pick,
        priority: fc.integer({ min: -20, max: 19 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('hold' as const), pick, hold: fc.boolean() }),
    },
  );
  return fc.array(edit, { minLength: 1, maxLength: 3 });
}

type SetWithoutPick = Omit<Extract<Edit, { kind: 'set' }>, 'pick'>;

function randomReasons(): fc.Arbitrary<SetWithoutPick> {
  return fc.constantFrom<SetWithoutPick>(
    { kind: 'set', status: 9, reason: 'aborted' },
    { kind: 'set', status: 9, reason: 'skipped' },
    { kind: 'set', status: 9, reason: 'handled' },
    { kind: 'set', status: 9, reason: 'not_selected' },
    { kind: 'set', status: 2, reason: 'failed' },
    { kind: 'set', status: 2, reason: 'signal' },
    { kind: 'set', status: 0, params: true },
  );
}

function randomInserts(pick: fc.Arbitrary<number>): fc.Arbitrary<Edit> {
  return fc.record({
    kind: fc.constant('insert' as const),
    pick,
    seq: fc.nat(99),
    depends: fc.nat(99),
    status: fc.constantFrom(
      0 as const,
      0 as const,
      0 as const,
      0 as const,
      1 as const,
      2 as const,
      3 as const,
      9 as const,
    ),
  });
}
