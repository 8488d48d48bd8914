// Starting and stopping flows: each writes down that it shall happen, and the reconciler sees to it. Called by http/ and cmd/.
import type { JsonObject } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import { listComponents } from '../../sql/components.ts';
import type { Database } from '../../sql/database.ts';
import type { Definition, LifeStatus } from '../../sql/definitions.ts';
import type { NewEvent } from '../../sql/emit.ts';
import { type Move, moveFlow } from '../../sql/life-cycle.ts';
import { checkStored, checkTimes } from '../definition/check.ts';
import { requireOwn } from '../definition/flow-edits.ts';
import { nameFailure, retryConflicts } from '../failure.ts';
import { toPayload } from '../repository/view.ts';
import type { Viewer } from '../viewer.ts';
import { listComponentIds, ownComponents, tellComponent } from './components-of.ts';

/** How the flow stands afterwards. */
export interface Standing {
  id: string;
  status: LifeStatus;
}

/** Errors of all: `DATABASE_UNREACHABLE`, `FLOW_NOT_FOUND`. A repeat answers how the flow stands and does nothing. */
export interface LifeCycle {
  /** Only an inactive flow starts. Errors: `FLOW_INVALID` for one that could not run. */
  start: (viewer: Viewer, id: string) => Promise<Standing>;
  /** Stops an active flow, and one that is starting. Executions go on. */
  stop: (viewer: Viewer, id: string) => Promise<Standing>;
}

/** `onMoving` is told that there is something for the reconcilers. */
export function makeLifeCycle(db: Database, onMoving: () => void | Promise<void>): LifeCycle {
  return {
    start: (viewer, id) => moveOwn(db, viewer, id, onMoving, START),
    stop: (viewer, id) => moveOwn(db, viewer, id, onMoving, STOP),
  };
}

interface Verb {
  from: readonly LifeStatus[];
  to: 'starting' | 'stopping';
  check: (definition: Definition) => void;
}

const START: Verb = { from: ['inactive'], to: 'starting', check: requireRunnable };
const STOP: Verb = { from: ['starting', 'active'], to: 'stopping', check: () => {} };

async function moveOwn(
  db: Database,
  viewer: Viewer,
  flow: string,
  onMoving: () => void | Promise<void>,
  verb: Verb,
): Promise<Standing> {
  let status: LifeStatus = verb.to;
  const move = () =>
    moveFlow(db, flow, async (stored, tx): Promise<Move | null> => {
      const own = requireOwn(stored, { ...viewer, flow }, 'No flow with this ID found');
      status = own.status;
      if (!verb.from.includes(own.status)) return null;
      verb.check(own);
      status = verb.to;
      const components = ownComponents(await listComponents(tx, own.tenant, listComponentIds(own)));
      const startedBy = viewer.user ?? null;
      return {
        to: verb.to,
        ...(verb.to === 'starting' ? { startedBy } : {}),
        events: [
          tellFlow(own, verb.to, viewer.user),
          ...components.map((component) => tellComponent(verb.to, component, { flow })),
        ],
      };
    });
  await retryConflicts(() => nameFailure(move()));
  if (status === verb.to) await onMoving();
  return { id: flow, status };
}

/** The whole flow, and who asked for it. */
function tellFlow(own: Definition, to: 'starting' | 'stopping', user: string | undefined): NewEvent {
  const by: JsonObject = to === 'starting' ? { startedBy: user ?? null } : { stoppedBy: user ?? null };
  return { name: `flow.${to}`, tenant: own.tenant, payload: { ...toPayload(own), status: to, ...by } };
}

/** What SQL wrote was judged by nobody. */
function requireRunnable({ flow, steps, settings, cron, timezone }: Definition): void {
  const problems = [...checkStored(steps, settings), ...checkTimes({ cron, timezone })];
  if (problems.length > 0) throw new UmbelError('FLOW_INVALID', { flow, problems });
}
