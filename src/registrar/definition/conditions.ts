// Judges the conditions of edges: can they be read? Called by check.ts.
import type { Problem } from '../../dag/vocabulary.ts';
import { parseExpression } from '../../expressions/parse.ts';

/** `conditions` may be anything: its shape is judged elsewhere. */
export function findConditionProblems(conditions: unknown, path: string): Problem[] {
  if (typeof conditions !== 'object' || conditions === null) return [];
  return Object.entries(conditions).flatMap(([source, text]) => {
    // Empty ones are refused by their shape.
    const parsed = typeof text === 'string' && text !== '' ? parseExpression(text) : null;
    return parsed instanceof Error ? [{ path: `${path}.conditions.${source}`, message: parsed.message }] : [];
  });
}
