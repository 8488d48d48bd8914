// The thread in which expressions run that could take long: one after the other, each within its time and all within their memory. A
// thread that does not answer in time, a pattern that backtracks for ever, is ended and the next expression gets a new one.
// Called by evaluate.ts.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Json } from '../dag/vocabulary.ts';
import { type ExpressionDetails, ExpressionError } from './expression-error.ts';
import { LIMITS } from './limits.ts';
import type { Scope } from './scope.ts';

/** What the thread is asked. */
export interface Question {
  text: string;
  context: Json;
  scope: Scope;
}

/** What it says: `ready` when it can begin, then an answer to each question. */
export type Answer = 'ready' | { value: Json } | { message: string; details: ExpressionDetails };

interface Waiting extends Question {
  resolve: (value: Json) => void;
  reject: (error: ExpressionError) => void;
}

interface Thread {
  worker: Worker;
  ready: boolean;
  /** What it works on. */
  current: Waiting | undefined;
  timer: NodeJS.Timeout | undefined;
}

const FILE = fileURLToPath(new URL('./sandbox-thread.ts', import.meta.url));
/** jsonata looks at the clock itself where it can; this is for where it cannot. */
const TIME = LIMITS.time * 1.5;

const queue: Waiting[] = [];
let thread: Thread | undefined;

export function runApart(text: string, context: Json, scope: Scope): Promise<Json> {
  return new Promise((resolve, reject) => {
    queue.push({ text, context, scope, resolve, reject });
    thread ??= openThread();
    askNext(thread);
  });
}

function openThread(): Thread {
  const worker = new Worker(FILE, {
    resourceLimits: { maxOldGenerationSizeMb: LIMITS.memory, maxYoungGenerationSizeMb: 32 },
    env: {},
  });
  const opened: Thread = { worker, ready: false, current: undefined, timer: undefined };
  worker.on('message', (answer: Answer) => hear(opened, answer));
  worker.on('error', (error) => lose(opened, describeLoss(error)));
  worker.on('exit', () => lose(opened, 'the thread that it ran in ended'));
  return opened;
}

function askNext(asked: Thread): void {
  if (!asked.ready || asked.current !== undefined) return;
  const next = queue.shift();
  if (next === undefined) return asked.worker.unref();
  asked.current = next;
  // As long as somebody waits for an answer, the process goes on.
  asked.worker.ref();
  asked.timer = setTimeout(
    () => lose(asked, 'it took too long: look for an endless loop or a pattern that tries for ever'),
    TIME,
  );
  const { text, context, scope } = next;
  asked.worker.postMessage({ text, context, scope } satisfies Question, []);
}

function hear(from: Thread, answer: Answer): void {
  const { current } = from;
  if (answer === 'ready') from.ready = true;
  else if (current !== undefined) {
    clearTimeout(from.timer);
    from.current = undefined;
    if ('value' in answer) current.resolve(answer.value);
    else current.reject(new ExpressionError(answer.message, answer.details));
  }
  askNext(from);
}

/** Ends the thread with what it works on; what waits behind that goes to a new one. */
function lose(lost: Thread, message: string): void {
  if (thread !== lost) return;
  thread = undefined;
  clearTimeout(lost.timer);
  void lost.worker.terminate();
  const failed = lost.current ?? (lost.ready ? undefined : queue.shift());
  failed?.reject(new ExpressionError(message, { expression: failed.text }));
  if (queue.length > 0) askNext((thread = openThread()));
}

function describeLoss(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? 'it needed too much memory'
    : `it ended its thread: ${String(message)}`;
}
