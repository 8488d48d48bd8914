// The part of the catalogue of errors that is about webhooks. Their callers may be anybody, so it tells nothing of flows.
import { entry } from './entry.ts';

export const HOOK_ERRORS = {
  HOOK_CLOSED: entry(404, (d: { flow: string }) => `Flow ${d.flow} either does not exist or is inactive.`),
  HOOK_SIGNATURE: entry(
    403,
    (d: { reason: string }) => `The call is not signed as it should be: ${d.reason}.`,
  ),
  HOOK_REPLAYED: entry<object>(403, () => 'This very call came before: sign a new one.'),
  HOOK_RATE: entry(
    429,
    (d: { seconds: number }) => `The hook takes no more calls now: try again in ${d.seconds} s.`,
  ),
  HOOK_BUSY: entry<object>(
    503,
    () => 'As many calls as the hook takes at once are under way; try again in a moment.',
  ),
  HOOK_UNUSABLE: entry(
    503,
    (d: { flow: string }) =>
      `The hook of "${d.flow}" cannot serve: its owner finds the reason in the server's log.`,
  ),
  HOOK_FAILED: entry(
    502,
    (d: { execution: string; status: string }) =>
      `The execution "${d.execution}" did not end well: ${d.status}.`,
  ),
  HOOK_TIMEOUT: entry(
    504,
    (d: { execution: string }) => `The execution "${d.execution}" goes on; it did not answer in time.`,
  ),
} as const;
