// Natural batching: what is asked for while a statement is in flight gathers for the next one, without a timer.
// Used by register.ts for registrations and by plans.ts for reading definitions.
import { UmbelError } from '../errors.ts';

export interface BatchLimits {
  /** Statements under way at once. */
  inFlight: number;
  /** Items, and bytes of them, that one statement takes; a single larger item goes alone. */
  items: number;
  bytes: number;
  /** Items, and bytes of them, that may wait before more are refused. */
  waiting: number;
  waitingBytes: number;
}

/** What a failed statement means for its items: the same again, all of them fail, or one of them is to blame. */
export type Verdict = 'again' | 'all' | 'one';

export interface BatchDeps<Item, Answer> {
  /** Answers in the order of the items. Rejecting means that nothing was done for any of them. */
  run: (items: Item[]) => Promise<Answer[]>;
  judge: (error: unknown) => Verdict;
  limits?: Partial<BatchLimits>;
}

interface Waiting<Item, Answer> {
  item: Item;
  bytes: number;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

const LIMITS: BatchLimits = {
  inFlight: 2,
  items: 500,
  bytes: 1 << 20,
  waiting: 50_000,
  waitingBytes: 64 << 20,
};
const TRIES = 5;

/**
 * A function that gives one item to a batch and resolves with the item's own answer.
 * Errors: `QUEUE_FULL`, or what `run` rejects with for a batch that this item is to blame for.
 */
export function makeBatcher<Item, Answer>(deps: BatchDeps<Item, Answer>) {
  const limits = { ...LIMITS, ...deps.limits };
  const queue: Waiting<Item, Answer>[] = [];
  let queuedBytes = 0;
  let inFlight = 0;
  let scheduled = false;

  // Not at once but after the requests that this turn of the event loop still brings.
  function schedule(): void {
    if (scheduled || inFlight >= limits.inFlight || queue.length === 0) return;
    scheduled = true;
    setImmediate(dispatch);
  }

  function dispatch(): void {
    scheduled = false;
    while (inFlight < limits.inFlight && queue.length > 0) void fly(takeBatch(queue, limits));
  }

  async function fly(batch: Waiting<Item, Answer>[]): Promise<void> {
    inFlight += 1;
    for (const { bytes } of batch) queuedBytes -= bytes;
    await settleBatch(deps, batch);
    inFlight -= 1;
    schedule();
  }

  return function add(item: Item, bytes: number): Promise<Answer> {
    if (queue.length >= limits.waiting || queuedBytes + bytes > limits.waitingBytes) {
      return Promise.reject(new UmbelError('QUEUE_FULL', { waiting: queue.length }));
    }
    return new Promise((resolve, reject) => {
      queue.push({ item, bytes, resolve, reject });
      queuedBytes += bytes;
      schedule();
    });
  };
}

/** The oldest that wait, as many as one statement takes. */
function takeBatch<Entry extends { bytes: number }>(queue: Entry[], limits: BatchLimits): Entry[] {
  let count = 0;
  let total = 0;
  for (const { bytes } of queue) {
    if (count > 0 && (count === limits.items || total + bytes > limits.bytes)) break;
    count += 1;
    total += bytes;
  }
  return queue.splice(0, count);
}

/** Runs a batch and answers every item of it; never rejects. */
async function settleBatch<Item, Answer>(
  deps: BatchDeps<Item, Answer>,
  batch: Waiting<Item, Answer>[],
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return answerAll(batch, await deps.run(batch.map(({ item }) => item)));
    } catch (error) {
      const verdict = deps.judge(error);
      if (verdict === 'again' && attempt < TRIES) continue;
      if (verdict !== 'one' || batch.length === 1) return rejectAll(batch, error);
      const half = Math.ceil(batch.length / 2);
      await settleBatch(deps, batch.slice(0, half));
      return settleBatch(deps, batch.slice(half));
    }
  }
}

function answerAll<Item, Answer>(batch: Waiting<Item, Answer>[], answers: Answer[]): void {
  if (answers.length !== batch.length) {
    return rejectAll(batch, new Error(`${answers.length} answers came back for a batch of ${batch.length}`));
  }
  for (const [at, answer] of answers.entries()) batch[at]?.resolve(answer);
}

function rejectAll<Item, Answer>(batch: Waiting<Item, Answer>[], error: unknown): void {
  for (const { reject } of batch) reject(error);
}
