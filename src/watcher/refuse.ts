// Errors that the engine itself raises about an attempt. Called by run.ts and what it is made of.
import type { Problem } from '../dag/vocabulary.ts';
import { ProgramError } from '../programs/program-error.ts';

// The engine's own refusals: where in the engine they were raised helps nobody, so they carry no stack.
export function refuse(name: string, message: string, problems?: Problem[]): Error {
  const details = problems
    ? { problems: problems.map(({ path, message }) => ({ path, message })) }
    : undefined;
  const error = new ProgramError(message, details ? { name, details } : { name });
  delete error.stack;
  // Only a time-out may go better the next time.
  return Object.assign(error, { retryable: name === 'TimeoutError' });
}
