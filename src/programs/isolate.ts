// Programs with `isolate: true` run in threads of their own, so that one that computes for long holds up neither the watcher's loop nor
// its heartbeat. Used by load.ts; the other side is isolate-worker.ts.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Json } from '../dag/vocabulary.ts';
import { readThrown, type ThrownWire } from './isolate-error.ts';
import { runAgainAfter } from './later.ts';
import { type Waiting, waiting } from './wait-for.ts';
import type { Context, Program, ProgramLog } from './program.ts';

/** Where a thread finds a program: the module's URL and the name of the export. */
export interface Home {
  module: string;
  exported: string;
}

/** Of a context, what can be copied to a thread. */
type PlainContext = Omit<Context, 'log' | 'signal' | 'heartbeat' | 'snapshot'>;

/** What a thread is told of an attempt. */
export interface IsolatedTask {
  home: Home;
  context: PlainContext;
  /** Takes the lines of the log. */
  lines: MessagePort;
}

/** A sign of life, with what to keep for the next attempt. */
export interface Beat {
  beat: { checkpoint?: Json };
}

export interface LogLine {
  level: keyof ProgramLog;
  message: string;
  fields?: Record<string, unknown>;
}

/** JSON text of the result, or of the checkpoint of a program to be run again or that waits (undefined: none), or what was thrown. */
export type IsolatedAnswer =
  | { text: string | undefined; again?: number | undefined; wait?: Omit<Waiting, 'checkpoint'> | undefined }
  | { thrown: ThrownWire };

export type Isolate = (program: Program, home: Home) => Program;

const WORKER = fileURLToPath(new URL('./isolate-worker.ts', import.meta.url));
const IDLE = 60_000;

/** Returns what makes a program of the same kind that runs in a thread. Its programs share threads, as many as there are processors. */
export function makeIsolate(threads = availableParallelism()): Isolate {
  let pool: Piscina | undefined;
  const openPool = () =>
    new Piscina({
      filename: WORKER,
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE,
      // Otherwise a thread stands still between two tasks, and with it what modules do on their own.
      atomics: 'disabled',
    });
  return (program, home) =>
    Object.freeze({
      ...program,
      home,
      run: (context: Context) => runInThread((pool ??= openPool()), home, context),
    });
}

/** Stopped by ending the thread, whatever it is at. */
async function runInThread(pool: Piscina, home: Home, context: Context): Promise<unknown> {
  const { signal } = context;
  const { port1: ear, port2: lines } = new MessageChannel();
  const write = (line: LogLine | Beat) => hear(context, line);
  ear.on('message', write);
  const task: IsolatedTask = { home, context: pickPlain(context), lines };
  try {
    // Piscina's types take the newest form of postMessage for the only one.
    const transferList = [lines] as never;
    const answer = (await pool.run(task, { signal, transferList })) as IsolatedAnswer;
    return readAnswer(answer);
  } finally {
    // The answer may have overtaken the last lines.
    for (let line = receiveMessageOnPort(ear); line; line = receiveMessageOnPort(ear))
      write(line.message as LogLine | Beat);
    ear.close();
  }
}

function hear({ log, heartbeat }: Context, line: LogLine | Beat): void {
  if (!('beat' in line)) return log[line.level](line.message, line.fields);
  try {
    heartbeat(line.beat.checkpoint);
  } catch (error) {
    log.warn(`a checkpoint was not kept: ${(error as Error).message}`);
  }
}

function pickPlain(context: Context): PlainContext {
  const { params, input, checkpoint, delivered, callback, attempt, idempotencyKey, execution, step } =
    context;
  return { params, input, checkpoint, delivered, callback, attempt, idempotencyKey, execution, step };
}

function readAnswer(answer: IsolatedAnswer): unknown {
  if ('thrown' in answer) throw readThrown(answer.thrown);
  const value: unknown = answer.text === undefined ? undefined : JSON.parse(answer.text);
  if (answer.wait !== undefined) return waiting({ ...answer.wait, checkpoint: (value ?? null) as Json });
  return answer.again === undefined ? value : runAgainAfter(answer.again, (value ?? null) as Json);
}
