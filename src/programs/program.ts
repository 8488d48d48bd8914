// What a program is: a name, the parameters it takes and a function to run. Written by us and by users,
// called by watcher/run.ts. A program knows nothing of Postgres, of the graph or of other tasks.
import { Type, type Static, type TObject } from 'typebox';
import { parseDuration } from '../dag/duration.ts';
import type { Json } from '../dag/vocabulary.ts';

type LogWriter = (message: string, fields?: Record<string, unknown>) => void;

/** Writes lines that are kept with the task. */
export interface ProgramLog {
  debug: LogWriter;
  info: LogWriter;
  warn: LogWriter;
  error: LogWriter;
}

/** A signal as it came to a task that waited for it. */
export interface Signal {
  readonly value: Json;
  /** Who sent it. */
  readonly by: string | null;
  readonly comment: string | null;
  /** When it was sent, ISO 8601; null when it is the default. */
  readonly at: string | null;
  /** Nothing came in time: the value is the default. */
  readonly timedOut: boolean;
}

/** Where somebody else answers for a task: `POST <url>/complete`, `/fail` or `/heartbeat`, for which nothing but the token is needed. */
export interface Callback {
  readonly url: string;
  readonly token: string;
}

/** What a step remembers from one execution of its flow to the next: how far a polling flow has read, say. */
export interface Snapshot {
  /** What was set last; null when nothing was. */
  get(): Promise<Json>;
  /** Any JSON up to 1 MiB. It counts when the attempt ends without a failure, together with its result. */
  set(value: Json): void;
}

/** All that a program is told about the attempt it makes. */
export interface Context<Params = unknown> {
  readonly params: Params;
  /** The results of the predecessors; null unless the program declares `readsInput`. */
  readonly input: Json;
  readonly log: ProgramLog;
  /** Aborts when the attempt times out or is cancelled; its `reason` is an Error. */
  readonly signal: AbortSignal;
  /** What the last attempt left with `heartbeat`, `runAgainAfter` or `waitFor`; null on the first. */
  readonly checkpoint: Json;
  /** Says that it is still at work, as `timeout: {heartbeat}` may ask, and keeps a checkpoint for the next attempt, whatever ends this one. */
  readonly heartbeat: (checkpoint?: Json) => void;
  /** The signal that the task waited for; null before it came. */
  readonly delivered: Signal | null;
  /** Where the task is to be answered for once the program has ended; null unless its step says `awaitCallback`. */
  readonly callback: Callback | null;
  /** Not in programs that say `isolate`. */
  readonly snapshot: Snapshot;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The same text for every attempt of this task: hand it to services that can drop duplicates. */
  readonly idempotencyKey: string;
  readonly execution: { readonly id: string; readonly flow: string };
  readonly step: { readonly id: string; readonly seq: string };
}

export interface ProgramDefinition<Schema extends TObject, Result> {
  /** What the `program` column names: letters, digits, `_`, `-` and dots between them. */
  name: string;
  description: string;
  /** A typebox object schema; none: the program takes no parameters. */
  params?: Schema;
  /** Whether `run` looks at `context.input`; false saves fetching it. */
  readsInput?: boolean;
  /** Longest time an attempt may take, in milliseconds or as `30s`; null or absent: no limit. */
  timeout?: number | string | null;
  /** How often a failed attempt is tried again when the step does not say. */
  retries?: number;
  /** Runs it in a thread of its own: for programs that compute for long. Only for programs of a `--programs` directory. */
  isolate?: boolean;
  /** Does the work; what it returns must be JSON (undefined is stored as null). */
  run(context: Context<Static<Schema>>): Result | PromiseLike<Result>;
}

/** A defined program: frozen, defaults filled in. */
export interface Program<Params = unknown, Result = unknown> {
  readonly name: string;
  readonly description: string;
  readonly params: TObject;
  readonly readsInput: boolean;
  /** Milliseconds; null: no limit. */
  readonly timeout: number | null;
  /** null: the step or the engine decides. */
  readonly retries: number | null;
  readonly isolate: boolean;
  /** Where a thread finds it; null: `run` runs it here. */
  readonly home: { readonly module: string; readonly exported: string } | null;
  run(context: Context<Params>): Result | PromiseLike<Result>;
}

// Symbol.for: a program defined through another copy of this package is still recognised.
const BRAND = Symbol.for('umbel.program');
const NAME = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** Makes a program of its definition; throws a TypeError that says what is wrong with it. */
export function defineProgram<Result, Schema extends TObject = TObject<{}>>(
  definition: ProgramDefinition<Schema, Result>,
): Program<Static<Schema>, Result> {
  const problem = findProblem(definition);
  if (problem) throw new TypeError(`defineProgram: program ${JSON.stringify(definition?.name)}: ${problem}`);
  const program = {
    name: definition.name,
    description: definition.description,
    params: definition.params ?? Type.Object({}, { additionalProperties: false }),
    readsInput: definition.readsInput ?? false,
    timeout: definition.timeout == null ? null : (parseDuration(definition.timeout) ?? null),
    retries: definition.retries ?? null,
    isolate: definition.isolate ?? false,
    home: null,
    run: (context: Context<Static<Schema>>) => definition.run(context),
  };
  return Object.freeze(Object.defineProperty(program, BRAND, { value: true }));
}

/** Whether a value, such as a module's export, is a defined program. */
export function isProgram(value: unknown): value is Program {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, BRAND);
}

// A definition may come from plain JavaScript, so the types promise nothing here.
function findProblem(
  definition: Partial<ProgramDefinition<TObject, unknown>> | undefined,
): string | undefined {
  const { name, description, params, timeout, retries, isolate, run } = definition ?? {};
  if (typeof name !== 'string' || !NAME.test(name) || name.length > 256)
    return 'name must be letters, digits, _ or -, with dots between them, at most 256 characters';
  if (typeof description !== 'string') return 'description must be text';
  if (params !== undefined && params?.type !== 'object')
    return 'params must be a typebox object schema: Type.Object({ … })';
  if (timeout != null && !isPositiveDuration(timeout))
    return `timeout must be milliseconds or text such as 30s, got ${JSON.stringify(timeout)}`;
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 0))
    return 'retries must be a whole number, 0 or more';
  if (isolate !== undefined && typeof isolate !== 'boolean') return 'isolate must be true or false';
  if (typeof run !== 'function') return 'run must be a function';
  return undefined;
}

function isPositiveDuration(value: number | string): boolean {
  return (parseDuration(value) ?? 0) > 0;
}
