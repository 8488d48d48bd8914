// A step's `fallback`: when nothing else helps, its program runs once as a next attempt of the same task, which then stands as failed as
// it did. The task's checkpoint says that it is so far, so a watcher that dies in between changes nothing. Called by prepare.ts and begin.ts.
import type { TaskError } from '../dag/outcome.ts';
import { nextRetry, readRetryPolicy } from '../dag/retry.ts';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { hasTemplate } from '../expressions/template.ts';
import type { Claimed } from '../sql/advance.ts';
import type { Known } from './known-plans.ts';
import type { RanOutcome } from './ran.ts';
import type { Verdict } from './verdict.ts';

/** How far a task's fallback is. */
export interface Falling {
  /** What the task failed with. */
  error: TaskError;
  /** Times that the fallback itself was tried again. */
  retried: number;
  /** What its last attempt left. */
  checkpoint: Json;
  /** What the step itself had left, for when somebody runs it again. */
  own: Json;
}

/** A name that no program's own checkpoint has by accident; umbel_hand_edit knows it too. */
const KEY = 'umbel:fallback';

/** The step's program has failed for good: its fallback is next. */
export function beginFallback(error: TaskError, checkpoint: string | null): Verdict {
  const own = checkpoint === null ? null : (JSON.parse(checkpoint) as Json);
  return {
    kind: 'sleep',
    delay: 0,
    checkpoint: checkpointOf({ error, retried: 0, checkpoint: null, own }),
    error,
  };
}

/** What is kept of a checkpoint that the running program leaves, both as JSON text. */
export function keepCheckpoint(
  falling: Falling | undefined,
  checkpoint: string | undefined,
): string | undefined {
  if (falling === undefined || checkpoint === undefined) return checkpoint;
  return JSON.stringify(checkpointOf({ ...falling, checkpoint: JSON.parse(checkpoint) as Json }));
}

/** The checkpoint with which a task's fallback begins or goes on. */
function checkpointOf(falling: Falling): Json {
  return { [KEY]: falling as unknown as Json };
}

/** null: the step has none, or is not so far. */
function readFalling(checkpoint: string | null, options: JsonObject | null): Falling | null {
  if (checkpoint === null || !isObject(options?.['fallback']) || !checkpoint.includes(KEY)) return null;
  const read = JSON.parse(checkpoint) as Json;
  return isObject(read) && isObject(read[KEY]) ? (read[KEY] as unknown as Falling) : null;
}

/** What the task is once its fallback runs: another program with other parameters, and neither catches nor conditions. */
export function asFallback(known: Known, task: Claimed): Known {
  const falling = readFalling(task.checkpoint, known.options);
  const fallback = known.options?.['fallback'];
  if (falling === null || !isObject(fallback)) return known;
  const params = isObject(fallback['params']) ? fallback['params'] : {};
  const { retry = null, timeout = null } = fallback;
  return {
    ...known,
    program: typeof fallback['program'] === 'string' ? fallback['program'] : null,
    parameters: JSON.stringify(params),
    options: { retry, timeout, allowFail: known.options?.['allowFail'] ?? null },
    catches: [],
    data: known.data && {
      ...known.data,
      when: undefined,
      select: undefined,
      choice: undefined,
      params: hasTemplate(params) ? params : null,
    },
    falling,
  };
}

/** What becomes of the task when an attempt of its fallback has ended. */
export function judgeFallback(
  outcome: RanOutcome,
  falling: Falling,
  options: JsonObject | null,
  random: number,
): Verdict {
  switch (outcome.kind) {
    case 'sleep':
    case 'wait':
      return { ...outcome, checkpoint: checkpointOf({ ...falling, checkpoint: outcome.checkpoint }) };
    case 'failed': {
      const { error, retryable, after } = outcome;
      const failure = { name: error.name, retryable, after };
      const delay = nextRetry(
        readRetryPolicy(options?.['retry'] ?? undefined),
        falling.retried,
        failure,
        random,
      );
      const checkpoint = checkpointOf({ ...falling, retried: falling.retried + 1, checkpoint: null });
      if (delay !== undefined) return { kind: 'sleep', delay, checkpoint };
      return stand({ ...falling.error, details: mention(falling.error.details, error) }, options);
    }
    case 'finished':
    case 'skipped':
      return stand(falling.error, options);
  }
}

/** Failed as it was; a step that allows failure lets the others go on all the same. */
function stand(error: TaskError, options: JsonObject | null): Verdict {
  return { kind: options?.['allowFail'] === true ? 'ignored' : 'failed', error };
}

/** That the fallback failed too is found beside what the task failed with. */
function mention(details: Json | undefined, { name, message }: TaskError): Json {
  const own = details === undefined || isObject(details) ? details : { details };
  return { ...own, fallback: { name, message } };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
