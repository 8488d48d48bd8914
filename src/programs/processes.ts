// Runs processes of components: one for each message, or one that stands by and answers line by line. Called by component-program.ts.
import type { Json } from '../dag/vocabulary.ts';
import { startChild, type Child } from './child.ts';
import { NonRetryable, ProgramError } from './program-error.ts';

export interface ProcessCall {
  argv: string[];
  message: Json;
  /** Bytes of the answer. */
  maxBytes: number;
  /** Ends the process, too. */
  signal: AbortSignal;
}

export interface Processes {
  /** A process of its own: the message on standard input, the result on standard output. */
  runOnce: (call: ProcessCall) => Promise<Json>;
  /** A process that stands by: a message and a result a line each, one after the other. */
  ask: (call: ProcessCall) => Promise<Json>;
}

/** Milliseconds after which one that stands by and is not asked ends. */
const IDLE = 60_000;

/** `allow`: commands that may be run, as argv begins. */
export function makeProcesses(allow: readonly string[], env: Record<string, string>): Processes {
  const idle = new Map<string, Standby[]>();
  const check = ({ argv: [command = ''], signal }: ProcessCall) => {
    signal.throwIfAborted();
    if (allow.includes(command)) return;
    const text = `the command "${command}" may not be run here: PROCESS_ALLOW does not list it`;
    throw new NonRetryable(text, { name: 'ProcessError' });
  };
  return {
    async runOnce(call) {
      check(call);
      return runOnce(startChild(call.argv, env), call);
    },
    async ask(call) {
      check(call);
      const key = JSON.stringify(call.argv);
      const standby = takeIdle(idle, key) ?? makeStandby(startChild(call.argv, env));
      const answer = await standby.ask(call);
      putIdle(idle, key, standby);
      return answer;
    },
  };
}

async function runOnce(child: Child, { argv, message, maxBytes, signal }: ProcessCall): Promise<Json> {
  const stop = () => child.kill();
  signal.addEventListener('abort', stop, { once: true });
  try {
    child.stdin.end(JSON.stringify(message));
    const text = await readAll(child, maxBytes);
    const code = await child.ended;
    signal.throwIfAborted();
    if (code !== 0) throw failEnded(argv, code, child.stderr());
    return parse(argv, text);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function readAll(child: Child, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of child.stdout as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) {
      child.kill();
      throw failSize(maxBytes);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

interface Standby {
  child: Child;
  ask: (call: ProcessCall) => Promise<Json>;
  /** Set while it is idle. */
  timer?: NodeJS.Timeout;
}

function makeStandby(child: Child): Standby {
  const reader = readLines(child);
  return {
    child,
    async ask({ argv, message, maxBytes, signal }) {
      const stop = () => child.kill();
      signal.addEventListener('abort', stop, { once: true });
      const gone = child.ended.then((code): never => {
        signal.throwIfAborted();
        throw failEnded(argv, code, child.stderr());
      });
      gone.catch(() => {});
      try {
        const answered = reader.next(maxBytes);
        child.stdin.write(`${JSON.stringify(message)}\n`);
        return readAnswer(argv, parse(argv, await Promise.race([answered, gone])));
      } catch (error) {
        // Whatever comes from it now is no answer to the next message.
        if (!(error instanceof Answered)) child.kill();
        throw error instanceof Answered ? error.cause : error;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
  };
}

/** Its lines one by one; what comes while nobody waits is dropped. */
function readLines({ stdout }: Child): { next: (maxBytes: number) => Promise<string> } {
  let waiting: { resolve: (line: string) => void; reject: (error: Error) => void; limit: number } | undefined;
  let parts: Buffer[] = [];
  let size = 0;
  stdout.on('data', (part: Buffer) => {
    if (waiting === undefined) return;
    const end = part.indexOf(10);
    parts.push(end === -1 ? part : part.subarray(0, end));
    size += parts.at(-1)!.length;
    const { resolve, reject, limit } = waiting;
    if (size <= limit && end === -1) return;
    waiting = undefined;
    if (size > limit) reject(failSize(limit));
    else resolve(Buffer.concat(parts).toString('utf8'));
  });
  return {
    next: (limit) =>
      new Promise((resolve, reject) => {
        [parts, size] = [[], 0];
        waiting = { resolve, reject, limit };
      }),
  };
}

/** It said that it failed: it goes on standing by. */
class Answered extends Error {}

/** `{"error": {message, name?, details?}}` is a failure, anything else the result. */
function readAnswer(argv: string[], answer: Json): Json {
  const isError =
    typeof answer === 'object' && answer !== null && !Array.isArray(answer) && 'error' in answer;
  if (!isError) return answer;
  const { error } = answer as { error: { message?: string; name?: string; details?: Json } };
  const { message = `${argv[0]} failed`, name = 'ProcessError', details } = error;
  throw new Answered(message, {
    cause: new ProgramError(message, details === undefined ? { name } : { name, details }),
  });
}

function takeIdle(idle: Map<string, Standby[]>, key: string): Standby | undefined {
  const standby = idle.get(key)?.pop();
  clearTimeout(standby?.timer);
  return standby;
}

function putIdle(idle: Map<string, Standby[]>, key: string, standby: Standby): void {
  const list = idle.get(key) ?? [];
  idle.set(key, list);
  list.push(standby);
  const drop = () => {
    const at = list.indexOf(standby);
    if (at !== -1) list.splice(at, 1);
    standby.child.kill();
  };
  standby.timer = setTimeout(drop, IDLE).unref();
  void standby.child.ended.then(drop, drop);
}

function parse(argv: string[], text: string): Json {
  try {
    return text.trim() === '' ? null : (JSON.parse(text) as Json);
  } catch (cause) {
    const details = { output: text.slice(0, 500) };
    throw new ProgramError(`${argv[0]} did not answer with JSON`, { name: 'ProcessError', details, cause });
  }
}

function failEnded(argv: string[], code: number | string, stderr: string): ProgramError {
  const how = typeof code === 'number' ? `with exit code ${code}` : `by ${code}`;
  return new ProgramError(`${argv[0]} ended ${how}`, {
    name: 'ProcessError',
    details: { exit: code, stderr },
  });
}

function failSize(limit: number): ProgramError {
  return new ProgramError(`the answer is larger than ${limit} bytes`, { name: 'ResultError' });
}
