// Writes a program's result as the JSON text that is stored, or says why it cannot be. Called by run.ts.
import { DEPTH_LIMIT, isTooDeep, storableJsonText } from '../programs/storable.ts';

/** Bytes of what is kept of a task: its result, its parameters. */
export const RESULT_LIMIT = 1024 * 1024;

/** JSON text, or what is wrong: `is 2.5 MiB, the limit is 1 MiB`. */
export type Written = { text: string } | { problem: string };

/** Serializes once and checks that Postgres can keep it; unstorable characters are refused, or replaced on demand. */
export function writeJson(
  value: unknown,
  limit: number,
  characters: 'refuse' | 'replace' = 'refuse',
): Written {
  const written = serialize(value);
  if ('problem' in written) return written;
  const text = storableJsonText(written.text);
  if (text !== written.text && characters === 'refuse')
    return { problem: 'holds a NUL character or half of a surrogate pair, which the database cannot store' };
  if (isTooDeep(text)) return { problem: `is nested deeper than ${DEPTH_LIMIT} levels` };
  // A character takes at most three bytes: short text need not be measured.
  const size = text.length * 3 <= limit ? 0 : Buffer.byteLength(text);
  return size <= limit
    ? { text }
    : { problem: `is ${describeSize(size)}, the limit is ${describeSize(limit)}` };
}

function serialize(value: unknown): Written {
  try {
    const text = JSON.stringify(value === undefined ? null : value) as string | undefined;
    return text === undefined ? { problem: `is a ${typeof value}, which is not JSON` } : { text };
  } catch (thrown) {
    return { problem: `cannot be written as JSON: ${describeFailure(thrown)}` };
  }
}

function describeFailure(thrown: unknown): string {
  if (thrown instanceof RangeError) return 'it is too large or nested too deep';
  if (!(thrown instanceof TypeError)) return 'its toJSON or a getter failed';
  return thrown.message.includes('circular') ? 'it refers to itself' : thrown.message;
}

function describeSize(bytes: number): string {
  const [size, unit] = bytes < 1024 * 1024 ? [bytes / 1024, 'KiB'] : [bytes / (1024 * 1024), 'MiB'];
  return `${Number(size.toFixed(2))} ${unit}`;
}
