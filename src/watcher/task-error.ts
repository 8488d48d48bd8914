// Turns whatever a program threw into the error that is stored with the task. Called by run.ts; never throws,
// though the thrown value may be anything: frozen, cyclic, with getters that throw.
import type { TaskError } from '../dag/outcome.ts';
import type { Json } from '../dag/vocabulary.ts';
import { shorten, storableText } from '../programs/storable.ts';
import type { Redact } from './redact.ts';
import { writeJson } from './result.ts';

type Fit = (text: string, limit: number) => string;

const NAME_LIMIT = 200;
const MESSAGE_LIMIT = 4000;
const STACK_LIMIT = 8000;
const DETAILS_LIMIT = 16 * 1024;
const CAUSES_LIMIT = 4;

/** The stored form of a thrown value: texts shortened, details kept when they are JSON of at most 16 KiB. `redact` sees them before. */
export function describeError(thrown: unknown, redact?: Redact): TaskError {
  const fit: Fit = (text, limit) =>
    storableText(shorten(redact === undefined ? text : redact.text(text), limit));
  try {
    const described = describe(thrown, fit);
    const { details } = described;
    return redact === undefined || details === undefined
      ? described
      : { ...described, details: redact.json(details) };
  } catch {
    return { name: 'ProgramError', message: 'the program threw a value that cannot be read' };
  }
}

function describe(thrown: unknown, fit: Fit): TaskError {
  if (!isObject(thrown)) return { name: 'ProgramError', message: describePrimitive(thrown, fit) };
  const stack = readText(thrown, 'stack');
  const details = readDetails(thrown);
  return {
    name: fit(nameOf(thrown), NAME_LIMIT),
    message: fit(messageOf(thrown, fit), MESSAGE_LIMIT),
    ...(details === undefined ? {} : { details }),
    ...(stack === undefined ? {} : { stack: fit(stack, STACK_LIMIT) }),
  };
}

function describePrimitive(thrown: unknown, fit: Fit): string {
  if (typeof thrown === 'string')
    return thrown === '' ? 'the program threw an empty text' : fit(thrown, MESSAGE_LIMIT);
  return fit(
    `the program threw ${typeof thrown === 'function' ? 'a function' : String(thrown)}`,
    MESSAGE_LIMIT,
  );
}

// A plain Error says no more by its name than the default does.
function nameOf(thrown: object): string {
  const name = readText(thrown, 'name') ?? '';
  return name === '' || name === 'Error' ? 'ProgramError' : name;
}

function messageOf(thrown: object, fit: Fit): string {
  const message = readText(thrown, 'message') || readText(thrown, 'code') || describeObject(thrown);
  const causes = causesOf(thrown, fit).filter((cause) => !message.includes(cause));
  return [message, ...causes].join('; caused by: ');
}

function describeObject(thrown: object): string {
  if (read(thrown, 'stack') !== undefined) return 'the program threw an error without a message';
  const written = writeJson(thrown, MESSAGE_LIMIT);
  return `the program threw ${'text' in written ? written.text : 'an object that cannot be shown'}`;
}

function causesOf(thrown: object, fit: Fit): string[] {
  const causes: string[] = [];
  let cause = read(thrown, 'cause');
  while (cause !== undefined && cause !== null && causes.length < CAUSES_LIMIT) {
    const text = isObject(cause)
      ? readText(cause, 'message') || readText(cause, 'code')
      : describePrimitive(cause, fit);
    if (text) causes.push(text);
    cause = isObject(cause) ? read(cause, 'cause') : undefined;
  }
  return [...new Set(causes)];
}

// System errors carry their code (ECONNREFUSED, ENOENT) in a property of its own.
function readDetails(thrown: object): Json | undefined {
  const code = readText(thrown, 'code');
  const details = read(thrown, 'details') ?? (code ? { code } : undefined);
  if (details === undefined) return undefined;
  const written = writeJson(details, DETAILS_LIMIT, 'replace');
  return 'text' in written ? (JSON.parse(written.text) as Json) : { omitted: `details ${written.problem}` };
}

function readText(from: object, key: string): string | undefined {
  const value = read(from, key);
  return typeof value === 'string' ? value : undefined;
}

function read(from: object, key: string): unknown {
  try {
    return (from as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
