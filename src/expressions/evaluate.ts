// Works out expressions. What is harmless is done at once, on the main thread; everything else in a thread that can be ended, so that
// nothing an expression does can hold up the process. Called by the watcher.
import type { Json } from '../dag/vocabulary.ts';
import { ExpressionError, toExpressionError, TOO_LONG } from './expression-error.ts';
import { parseExpression } from './parse.ts';
import { run } from './run.ts';
import { runApart } from './sandbox.ts';
import type { Scope } from './scope.ts';

/** What the expression gives; nothing is null. `context` is `$`. Throws an ExpressionError. */
export async function evaluate(text: string, context: Json, scope: Scope): Promise<Json> {
  const parsed = parseExpression(text);
  if (parsed instanceof ExpressionError) throw parsed;
  try {
    if (parsed.harmless) return await run(parsed.compiled, context, scope);
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code !== TOO_LONG) throw toExpressionError(thrown, text);
  }
  return runApart(text, context, scope);
}

/** Whether a condition holds, as JSONata sees it: nothing, 0, "", {}, and a list without anything true do not. */
export function isTrue(value: Json): boolean {
  if (Array.isArray(value)) return value.some(isTrue);
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
