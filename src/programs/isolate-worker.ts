/* oxlint-disable unicorn/require-post-message-target-origin -- a MessagePort has no origins */
// The thread's side of isolate.ts: finds the program in its module, runs it, and writes what comes of it in a form that can cross.
import type { MessagePort } from 'node:worker_threads';
import { writeThrown } from './isolate-error.ts';
import type { Json } from '../dag/vocabulary.ts';
import type { Beat, IsolatedAnswer, IsolatedTask, LogLine } from './isolate.ts';
import { isLater } from './later.ts';
import { isWaiting } from './wait-for.ts';
import { ProgramError } from './program-error.ts';
import { isProgram, type Context, type Program, type ProgramLog } from './program.ts';
import { resolvePackage } from './resolve-package.ts';

/** Characters of a result's JSON text: more would hold up the watcher that reads it. */
const RESULT_LIMIT = 4 * 1024 * 1024;

resolvePackage();

// The thread is ended when the attempt is stopped, so nothing ever aborts this.
const never = new AbortController().signal;

export default async function runIsolated(task: IsolatedTask): Promise<IsolatedAnswer> {
  try {
    const program = await findProgram(task);
    const result = await program.run(makeContext(task));
    if (isWaiting(result)) {
      const { wait, timeout, checkpoint } = result;
      return { text: writeResult(checkpoint), wait: { wait, timeout } };
    }
    return isLater(result)
      ? { text: writeResult(result.checkpoint), again: result.delay }
      : { text: writeResult(result) };
  } catch (thrown) {
    return { thrown: writeThrown(thrown) };
  }
}

async function findProgram({ home }: IsolatedTask): Promise<Program> {
  const exports = (await import(home.module)) as Record<string, unknown>;
  const program = exports[home.exported];
  if (isProgram(program)) return program;
  throw new Error(`${home.module} no longer exports a program as ${home.exported}: restart the watcher`);
}

function makeContext(task: IsolatedTask): Context {
  const { lines } = task;
  const heartbeat = (checkpoint?: Json) =>
    lines.postMessage({ beat: checkpoint === undefined ? {} : { checkpoint } } satisfies Beat);
  return { ...task.context, log: makeLog(lines), signal: never, heartbeat, snapshot: NO_SNAPSHOT };
}

const refuseSnapshot = (): never => {
  throw new ProgramError('a program that says isolate has no snapshot');
};
const NO_SNAPSHOT = { get: async () => refuseSnapshot(), set: refuseSnapshot };

function makeLog(lines: MessagePort): ProgramLog {
  const write = (level: keyof ProgramLog) => (message: string, fields?: Record<string, unknown>) =>
    post(lines, fields === undefined ? { level, message } : { level, message, fields });
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

function post(lines: MessagePort, line: LogLine): void {
  try {
    lines.postMessage(line);
  } catch {
    // A function among the fields, say.
    lines.postMessage({
      level: line.level,
      message: line.message,
      fields: { omitted: 'fields that cannot be copied' },
    });
  }
}

function writeResult(result: unknown): string | undefined {
  const text = JSON.stringify(result) as string | undefined;
  if (text === undefined || text.length <= RESULT_LIMIT) return text;
  throw new ProgramError(`the result is ${text.length} characters long, far more than can be stored`, {
    name: 'ResultError',
  });
}
