// What a wrong expression throws, whether it cannot be read or cannot be worked out. The watcher stores it as the task's error.

export interface ExpressionDetails {
  expression: string;
  /** Where in the text, counted from 1. */
  character?: number | undefined;
}

export class ExpressionError extends Error {
  readonly details: ExpressionDetails;

  constructor(message: string, { expression, character }: ExpressionDetails) {
    super(message);
    this.name = 'ExpressionError';
    this.details = { expression, ...(character === undefined ? {} : { character }) };
    // Where in the engine it was found helps nobody.
    delete this.stack;
  }
}

/** jsonata throws plain objects with a code and a position, Node its own errors. */
export function toExpressionError(thrown: unknown, expression: string): ExpressionError {
  if (thrown instanceof ExpressionError) return thrown;
  const { position } = thrown as { position?: unknown };
  const character = typeof position === 'number' && position > 0 ? position : undefined;
  const place = character === undefined ? '' : ` (at character ${character} of the expression)`;
  return new ExpressionError(describe(thrown) + place, { expression, character });
}

function describe(thrown: unknown): string {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  if (thrown instanceof RangeError) return 'what it makes is too large or nested too deep';
  if (code === TOO_LONG) return 'it took too long: look for an endless loop';
  if (code === TOO_DEEP) return 'it calls itself too often: look for an endless recursion';
  if (code === TOO_MANY) return 'it makes a list that is too long';
  return typeof message === 'string' && message !== '' ? message : 'it cannot be worked out';
}

/** Codes of jsonata's own limits. */
export const TOO_LONG = 'D1012';
const TOO_DEEP = 'D1011';
const TOO_MANY = 'D2015';
