// One look at what stands between inactive and active, and a step further for each: nothing stays there. Called by reconciler.ts.
// All that it knows stands in the rows, so that any process may go on where another one died.
import {
  type Component,
  listComponents,
  listMovingComponents,
  moveComponent,
  type MovingComponent,
} from '../../sql/components.ts';
import type { Database } from '../../sql/database.ts';
import { type Definition, readDefinition } from '../../sql/definitions.ts';
import type { NewEvent } from '../../sql/emit.ts';
import { sendHint } from '../../sql/wake.ts';
import { isUnreachable } from '../../sql/failures.ts';
import { readKnownPrograms } from '../../sql/known-programs.ts';
import { listMovingFlows, type Move, moveFlowOn, type MovingFlow } from '../../sql/life-cycle.ts';
import {
  findReadiness,
  type FindTrouble,
  listComponentIds,
  ownComponents,
  tellComponent,
  type Trouble,
} from './components-of.ts';

export interface ReconcileDeps {
  db: Database;
  /** Milliseconds after which a start that is not ready has failed. */
  startTimeout: number;
  findTrouble: FindTrouble;
  /** Told of what could not be looked at; the others are. */
  onFailed: (failed: { flow?: string; component?: string }, error: unknown) => void;
  /** Told of every move. */
  onMoved?: (moved: { flow?: string; component?: string; to: string; troubles: Trouble[] }) => void;
}

/** `moved`: there may be more to do at once. `waiting`: something is not ready yet. */
export interface Reconciled {
  moved: number;
  waiting: number;
}

export async function reconcile(deps: ReconcileDeps): Promise<Reconciled> {
  const flows = await listMovingFlows(deps.db.kysely);
  const components = await listMovingComponents(deps.db.kysely);
  const outcomes = await Promise.all([
    ...flows.map((moving) =>
      reconcileFlow(deps, moving).catch((error: unknown) => passOver(deps, { flow: moving.flow }, error)),
    ),
    ...components.map((moving) =>
      reconcileComponent(deps, moving).catch((error: unknown) =>
        passOver(deps, { component: moving.component.id }, error),
      ),
    ),
  ]);
  const count = (wanted: Outcome) => outcomes.filter((outcome) => outcome === wanted).length;
  return { moved: count('moved'), waiting: count('waiting') };
}

/** passed: somebody else is at it. */
type Outcome = 'moved' | 'waiting' | 'passed';

/** One that is broken shall not hold up the others. */
function passOver(
  { onFailed }: ReconcileDeps,
  what: { flow?: string; component?: string },
  error: unknown,
): Outcome {
  if (isUnreachable(error)) throw error;
  onFailed(what, error);
  return 'waiting';
}

async function reconcileFlow(deps: ReconcileDeps, moving: MovingFlow): Promise<Outcome> {
  const next = await findNext(deps, moving);
  if (next === null) return 'waiting';
  if (!(await moveFlowOn(deps.db, moving, next.move))) return 'passed';
  deps.onMoved?.({ flow: moving.flow, to: next.move.to, troubles: next.troubles });
  return 'moved';
}

interface Next {
  move: Move;
  troubles: Trouble[];
}

async function findNext(deps: ReconcileDeps, moving: MovingFlow): Promise<Next | null> {
  const { db } = deps;
  const definition = await readDefinition(db.kysely, moving.flow);
  if (definition === null) return endWithoutSteps(moving);
  const components = await listComponents(db.kysely, definition.tenant, listComponentIds(definition));
  if (moving.status === 'starting') return goOnStarting(deps, moving, definition, components);
  // Active: its steps were gone, and are back.
  return moving.status === 'stopping' ? goOnStopping(moving, components) : null;
}

/** SQL may delete the steps at any time; then nothing is left to start. */
function endWithoutSteps(moving: MovingFlow): Next {
  const to = moving.status === 'stopping' ? 'inactive' : 'stopping';
  return { move: { to, events: [tell(to === 'inactive' ? 'stopped' : 'stopping', moving)] }, troubles: [] };
}

async function goOnStarting(
  { db, startTimeout, findTrouble }: ReconcileDeps,
  moving: MovingFlow,
  definition: Definition,
  components: Component[],
): Promise<Next | null> {
  const known = await readKnownPrograms(db.kysely, definition.tenant);
  const { failures, warnings } = await findReadiness(definition, components, known, findTrouble);
  if (failures.length === 0) {
    const started = ownComponents(components).map((one) =>
      tellComponent('started', one, { flow: moving.flow }),
    );
    const events = [...started, tell('started', moving, { warnings: listTroubles(warnings) })];
    return { move: { to: 'active', events }, troubles: warnings };
  }
  if (moving.age < startTimeout) return null;
  const failed = failures.map(({ componentId, reason }) => ({
    name: 'component.failed',
    tenant: moving.tenant,
    payload: { id: componentId, tenant: moving.tenant, flow: moving.flow, reason },
  }));
  const events = [...failed, tell('failed', moving, { failures: listTroubles(failures) })];
  return { move: { to: 'stopping', events }, troubles: failures };
}

function goOnStopping(moving: MovingFlow, components: Component[]): Next {
  const stopped = ownComponents(components).map((one) =>
    tellComponent('stopped', one, { flow: moving.flow }),
  );
  return { move: { to: 'inactive', events: [...stopped, tell('stopped', moving)] }, troubles: [] };
}

function tell(name: string, { flow, tenant }: MovingFlow, rest = {}): NewEvent {
  return { name: `flow.${name}`, tenant, payload: { id: flow, tenant, ...rest } };
}

function listTroubles(troubles: Trouble[]): { componentId: string; reason: string }[] {
  return troubles.map(({ componentId, reason }) => ({ componentId, reason }));
}

/** Global ones are started and stopped by hand; else it is as with flows. */
async function reconcileComponent(
  deps: ReconcileDeps,
  { component, age }: MovingComponent,
): Promise<Outcome> {
  const next = await findNextOf(deps, component, age);
  if (next === null) return 'waiting';
  const { to, event, reason } = next;
  const events = [tellComponent(event, component, reason === null ? {} : { reason })];
  if (!(await moveComponent(deps.db, component, to, events))) return 'passed';
  // Watchers remember how it stood.
  sendHint(deps.db, { components: true }).catch(() => {});
  const troubles = reason === null ? [] : [{ componentId: component.id, reason }];
  deps.onMoved?.({ component: component.id, to, troubles });
  return 'moved';
}

async function findNextOf(
  { startTimeout, findTrouble }: ReconcileDeps,
  component: Component,
  age: number,
): Promise<{ to: 'active' | 'inactive'; event: string; reason: string | null } | null> {
  if (component.status === 'stopping') return { to: 'inactive', event: 'stopped', reason: null };
  const reason = await findTrouble(component);
  if (reason === null) return { to: 'active', event: 'started', reason };
  return age < startTimeout ? null : { to: 'inactive', event: 'failed', reason };
}
