// The reconciler of a process: every service has one but watchers. Called by serving.ts.
import { makeFindTrouble } from '../src/programs/component-health.ts';
import { makeCallOut } from '../src/programs/outbound.ts';
import { makeReconciler, type Reconciler } from '../src/registrar/life-cycle/reconciler.ts';
import type { Base } from './service.ts';

export function makeOwnReconciler({ db, log, settings: { startTimeout, outboundAllow } }: Base): Reconciler {
  return makeReconciler({ db, log, startTimeout, findTrouble: makeFindTrouble(makeCallOut(outboundAllow)) });
}
