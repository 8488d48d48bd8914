// The webhooks of a register server, bound to its database and to the word that goes round between processes. Called by serving.ts.
import type { Metrics } from '../src/metrics/metrics.ts';
import { addHookMetrics } from '../src/metrics/hooks.ts';
import type { Registrar } from '../src/registrar/registrar.ts';
import { HOOKS, type Hint } from '../src/sql/wake.ts';
import { bindHooks } from '../src/triggers/bind-hooks.ts';
import type { Hooks } from '../src/triggers/hooks.ts';
import { keepListening } from '../src/sql/ears.ts';
import type { Base } from './service.ts';

/** `stop` ends the listening. */
export function startHooks(
  { db, log, url, settings }: Base,
  { register, execute }: Pick<Registrar, 'register' | 'execute'>,
  metrics: Metrics,
): Hooks & { stop: () => Promise<void> } {
  const { findSecret } = settings;
  const hooks = bindHooks({ db, register, execute, findSecret, log });
  addHookMetrics(metrics.registry, hooks.look);
  const lieDown = hooks.keepUp();
  const hear = (hint: Hint) => {
    if ('hook' in hint) hooks.forget(hint.hook);
    if ('reply' in hint) hooks.hear([hint.reply]);
  };
  const deaf = keepListening(url, hear, () => {}, log, HOOKS);
  return {
    ...hooks,
    async stop() {
      lieDown();
      await deaf();
    },
  };
}
