// What a program threw, in a form that crosses from a thread to another: a copied error would lose its name and everything else of
// its own. Used by isolate.ts and isolate-worker.ts.
import type { Json } from '../dag/vocabulary.ts';
import { NonRetryable, ProgramError, RetryAfter } from './program-error.ts';

/** `error` false: something other than an error was thrown, and `message` is its text. */
export interface ThrownWire {
  error: boolean;
  message: string;
  name?: string;
  stack?: string;
  code?: string;
  /** JSON text. */
  details?: string;
  /** Of a RetryAfter, in milliseconds. */
  delay?: number;
  /** Of a NonRetryable: false. */
  retryable?: boolean;
  cause?: ThrownWire;
}

const DEEPEST = 4;

export function writeThrown(thrown: unknown, depth = 0): ThrownWire {
  if (!(thrown instanceof Error)) return { error: false, message: describe(thrown) };
  const { name, message, stack, cause, code, details, delay, retryable } = thrown as Error &
    Record<string, unknown>;
  const wire: ThrownWire = { error: true, message, name };
  if (typeof stack === 'string') wire.stack = stack;
  if (typeof code === 'string') wire.code = code;
  if (typeof delay === 'number') wire.delay = delay;
  if (typeof retryable === 'boolean') wire.retryable = retryable;
  const text = writeJson(details);
  if (text !== undefined) wire.details = text;
  if (cause !== undefined && depth < DEEPEST) wire.cause = writeThrown(cause, depth + 1);
  return wire;
}

/** The error again: of the same class where that means something, else with the same name. */
export function readThrown(wire: ThrownWire): unknown {
  if (!wire.error) return wire.message;
  const error = makeError(wire);
  if (wire.stack !== undefined) error.stack = wire.stack;
  return wire.code === undefined ? error : Object.assign(error, { code: wire.code });
}

function makeError({ message, name = 'Error', details, delay, retryable, cause }: ThrownWire): Error {
  const options = {
    name,
    ...(details === undefined ? {} : { details: JSON.parse(details) as Json }),
    ...(cause === undefined ? {} : { cause: readThrown(cause) }),
  };
  if (delay !== undefined) return new RetryAfter(delay, message, options);
  if (retryable === false) return new NonRetryable(message, options);
  return new ProgramError(message, options);
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  return writeJson(thrown) ?? `the program threw ${typeof thrown}`;
}

function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
