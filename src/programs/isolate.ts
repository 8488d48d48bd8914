// Programs with `isolate: true` run in threads of their own, so that one that computes for long holds up neither the watcher's loop nor
// its heartbeat. Used by load.ts; the other side is isolate-worker.ts.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { readThrown, type ThrownWire } from './isolate-error.ts';
import type { Context, Program, ProgramLog } from './program.ts';

/** Where a thread finds a program: the module's URL and the name of the export. */
export interface Home {
  module: string;
  exported: string;
}

/** What a thread is told of an attempt: the context, but for what cannot cross. */
export interface IsolatedTask extends Omit<Context, 'log' | 'signal'> {
  home: Home;
  /** Takes the lines of the log. */
  lines: MessagePort;
}

export interface LogLine {
  level: keyof ProgramLog;
  message: string;
  fields?: Record<string, unknown>;
}

/** JSON text of the result (undefined: none), or what was thrown. */
export type IsolatedAnswer = { text: string | undefined } | { thrown: ThrownWire };

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
  const { params, input, attempt, idempotencyKey, execution, step, log, signal } = context;
  const { port1: ear, port2: lines } = new MessageChannel();
  const write = ({ level, message, fields }: LogLine) => log[level](message, fields);
  ear.on('message', write);
  const task: IsolatedTask = { home, lines, params, input, attempt, idempotencyKey, execution, step };
  try {
    // Piscina's types take the newest form of postMessage for the only one.
    const transferList = [lines] as never;
    const answer = (await pool.run(task, { signal, transferList })) as IsolatedAnswer;
    if ('thrown' in answer) throw readThrown(answer.thrown);
    return answer.text === undefined ? undefined : JSON.parse(answer.text);
  } finally {
    // The answer may have overtaken the last lines.
    for (let line = receiveMessageOnPort(ear); line; line = receiveMessageOnPort(ear))
      write(line.message as LogLine);
    ear.close();
  }
}
