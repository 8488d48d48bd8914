// Reads expressions: their syntax, what they look at, and whether they are harmless enough for the main thread. Each text once.
import jsonata from 'jsonata';
import { findReads, type Reads } from './reads.ts';
import { ExpressionError, toExpressionError } from './expression-error.ts';
import { isHarmless } from './harmless.ts';
import { LIMITS } from './limits.ts';

export interface Parsed {
  reads: Reads;
  /** It cannot take long, whatever it is given. */
  harmless: boolean;
  /** Stops after `LIMITS.here` milliseconds. */
  compiled: jsonata.Expression;
}

const KEPT = 2_000;
const parsed = new Map<string, Parsed | ExpressionError>();

/** The expression, or why it is none. */
export function parseExpression(text: string): Parsed | ExpressionError {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const result = parse(text);
  parsed.set(text, result);
  // The first that came is the first that goes; what is still used is read again.
  if (parsed.size > KEPT) parsed.delete(parsed.keys().next().value!);
  return result;
}

function parse(text: string): Parsed | ExpressionError {
  if (text.trim() === '') return new ExpressionError('it is empty', { expression: text });
  if (text.length > LIMITS.text)
    return new ExpressionError(`it has more than ${LIMITS.text} characters`, {
      expression: text.slice(0, 100),
    });
  try {
    const compiled = compile(text, LIMITS.here);
    const tree = compiled.ast();
    const reads = findReads(tree);
    if (reads.variables.has('eval'))
      return new ExpressionError('$eval is not available: write the expression itself', { expression: text });
    return { reads, harmless: isHarmless(tree), compiled };
  } catch (thrown) {
    return toExpressionError(thrown, text);
  }
}

/** Compiled so that jsonata stops it by itself after so many milliseconds, where it gets to look at the clock. */
export function compile(text: string, timeout: number): jsonata.Expression {
  return jsonata(text, { timeout, stack: LIMITS.depth, sequence: LIMITS.sequence });
}
