// Tells values that Postgres does not take from everything else that it may say. Called by the registrar and the watcher.

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Class 22: a value that no type takes. Class 54: too deep or too long. */
const REFUSED_STATES = /^(22|54)/;

/** Besides those: cardinality, constraints, raised errors, internal ones. Others (no such table, no right) concern the whole statement. */
const VALUE_STATES = /^(21|22|23|54|P0|XX)/;

/** Whether Postgres refused a value that it was given, so that the sender has to change it. */
export function isRefusedValue(error: unknown): error is Error {
  return error instanceof Error && REFUSED_STATES.test(codeOf(error));
}

/** Whether a statement may have failed because of one of its values, so that it could pass without that. */
export function mayBeOneValue(error: unknown): boolean {
  const code = codeOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
  return !SQLSTATE.test(code) || VALUE_STATES.test(code);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
