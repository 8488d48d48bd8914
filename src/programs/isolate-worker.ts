/* oxlint-disable unicorn/require-post-message-target-origin -- a MessagePort has no origins */
// The thread's side of isolate.ts: finds the program in its module, runs it, and writes what comes of it in a form that can cross.
import { inspect } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import { writeThrown } from './isolate-error.ts';
import type { Json } from '../dag/vocabulary.ts';
import type { Beat, IsolatedAnswer, IsolatedTask, LogLine } from './isolate.ts';
import { isLater } from './later.ts';
import { describeOmitted, LINE_SIZE, LOG_LINES, LOG_SIZE } from './log-limits.ts';
import { isWaiting } from './wait-for.ts';
import { ProgramError } from './program-error.ts';
import { isProgram, type Context, type Program, type ProgramLog } from './program.ts';
import { resolvePackage } from './resolve-package.ts';
import { shorten } from './storable.ts';

/** Characters of a result's JSON text: more would hold up the watcher that reads it. */
const RESULT_LIMIT = 4 * 1024 * 1024;

resolvePackage();

// The thread is ended when the attempt is stopped, so nothing ever aborts this.
const never = new AbortController().signal;

export default async function runIsolated(task: IsolatedTask): Promise<IsolatedAnswer> {
  const { log, close } = makeLog(task.lines);
  try {
    const program = await findProgram(task);
    const result = await program.run({
      ...task.context,
      log,
      signal: never,
      heartbeat: makeHeartbeat(task),
      snapshot: NO_SNAPSHOT,
    });
    if (isWaiting(result)) {
      const { wait, timeout, checkpoint } = result;
      return { text: writeResult(checkpoint), wait: { wait, timeout } };
    }
    return isLater(result)
      ? { text: writeResult(result.checkpoint), again: result.delay }
      : { text: writeResult(result) };
  } catch (thrown) {
    return { thrown: writeThrown(thrown) };
  } finally {
    close();
  }
}

async function findProgram({ home }: IsolatedTask): Promise<Program> {
  const exports = (await import(home.module)) as Record<string, unknown>;
  const program = exports[home.exported];
  if (isProgram(program)) return program;
  throw new Error(`${home.module} no longer exports a program as ${home.exported}: restart the watcher`);
}

function makeHeartbeat({ lines }: IsolatedTask): Context['heartbeat'] {
  return (checkpoint?: Json) =>
    lines.postMessage({ beat: checkpoint === undefined ? {} : { checkpoint } } satisfies Beat);
}

const refuseSnapshot = (): never => {
  throw new ProgramError('a program that says isolate has no snapshot');
};
const NO_SNAPSHOT = { get: async () => refuseSnapshot(), set: refuseSnapshot };

/** Sends no more than is kept, or a program that logs without end would fill the memory of the watcher. */
function makeLog(lines: MessagePort): { log: ProgramLog; close: () => void } {
  const sent = { lines: 0, size: 0, omitted: 0 };
  const write = (level: keyof ProgramLog) => (message: string, fields?: Record<string, unknown>) => {
    // One less than is kept: the last is for what was left out.
    if (sent.lines >= LOG_LINES - 2 || sent.size >= LOG_SIZE - LINE_SIZE) return void (sent.omitted += 1);
    sent.lines += 1;
    sent.size += post(lines, fitLine({ level, message, ...(fields === undefined ? {} : { fields }) }));
  };
  const close = () => {
    if (sent.omitted > 0) post(lines, { level: 'warn', message: describeOmitted(sent.omitted) });
  };
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  return { log, close };
}

function fitLine(line: LogLine): LogLine {
  const message = shorten(textOf(line.message), LINE_SIZE);
  if (line.fields === undefined || sizeOf(line.fields) <= LINE_SIZE) return { ...line, message };
  return { ...line, message, fields: { omitted: 'fields that are too large' } };
}

/** A program in plain JavaScript may log anything. */
function textOf(message: unknown): string {
  return typeof message === 'string' ? message : inspect(message);
}

function sizeOf(fields: unknown): number {
  try {
    return (JSON.stringify(fields) as string | undefined)?.length ?? 0;
  } catch {
    return 0;
  }
}

/** Returns about how many characters that were. */
function post(lines: MessagePort, line: LogLine): number {
  try {
    lines.postMessage(line);
  } catch {
    // A function among the fields, say.
    lines.postMessage({ ...line, fields: { omitted: 'fields that cannot be copied' } });
  }
  return line.message.length + sizeOf(line.fields);
}

function writeResult(result: unknown): string | undefined {
  const text = JSON.stringify(result) as string | undefined;
  if (text === undefined || text.length <= RESULT_LIMIT) return text;
  throw new ProgramError(`the result is ${text.length} characters long, far more than can be stored`, {
    name: 'ResultError',
  });
}
