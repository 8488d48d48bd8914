// The reconciler of a process: every service has one but watchers. Called by serving.ts and schedule.ts.
import { makeFindTrouble } from '../src/programs/component-health.ts';
import { makeCallOut } from '../src/programs/outbound.ts';
import { makeReconciler, type Reconciler } from '../src/registrar/life-cycle/reconciler.ts';
import type { Base } from './service.ts';

export function makeOwnReconciler({ db, url, log, settings }: Base): Reconciler {
  const { startTimeout, outboundAllow, pollInterval } = settings;
  const findTrouble = makeFindTrouble(makeCallOut(outboundAllow));
  return makeReconciler({ db, url, log, startTimeout, pollInterval, findTrouble });
}
