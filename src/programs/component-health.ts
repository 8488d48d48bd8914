// Whether a component can be used now. Called by the reconciler, for flows that start.
import type { Json } from '../dag/vocabulary.ts';
import { messageOf } from '../errors.ts';
import type { CallOut } from './outbound.ts';

interface Component {
  kind: 'program' | 'http' | 'process';
  settings: { [key: string]: Json };
}

const TIMEOUT = 5_000;

/** Gives a function that says why a component cannot be used; null when it can. Processes are started where they run. */
export function makeFindTrouble(callOut: CallOut): (component: Component) => Promise<string | null> {
  return async ({ kind, settings }) => {
    if (kind !== 'http') return null;
    const url = (settings['health'] ?? settings['address']) as string;
    try {
      const { status, place } = await callOut({
        method: 'GET',
        url,
        headers: {},
        signal: AbortSignal.timeout(TIMEOUT),
        expects: (status) => status >= 200 && status < 300,
      });
      return status >= 200 && status < 300 ? null : `${place}: answered ${status}`;
    } catch (error) {
      return messageOf(error);
    }
  };
}
