// Components as the outside may ask for them. Called by http/routes/components.ts.
import type { JsonObject, Problem } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import { type Component, type ComponentWrite, editComponent, listComponents } from '../../sql/components.ts';
import type { Database } from '../../sql/database.ts';
import type { LifeStatus } from '../../sql/definitions.ts';
import { findShapeProblems } from '../definition/shape.ts';
import { nameFailure, retryConflicts } from '../failure.ts';
import { tellComponent } from '../life-cycle/components-of.ts';
import { PROGRAM } from '../repository/view.ts';
import type { Viewer } from '../viewer.ts';
import { type ComponentDefinition, ComponentShape, OF_KIND } from './schema.ts';

export interface ComponentView extends ComponentDefinition {
  isGlobal: boolean;
  /** Of a global one; others live and die with their flows. */
  status?: LifeStatus;
  tenant: string;
  /** ISO 8601. */
  createdAt: string;
  updatedAt: string;
}

/** Everybody sees those of the own tenant. Errors of all: `DATABASE_UNREACHABLE`. */
export interface Components {
  list: (viewer: Viewer) => Promise<ComponentView[]>;
  /** Errors: `COMPONENT_NOT_FOUND`. */
  read: (viewer: Viewer, id: string) => Promise<ComponentView>;
  /** Whatever `value` is. Errors: `COMPONENT_INVALID`, `COMPONENT_EXISTS`. */
  create: (viewer: Viewer, value: unknown) => Promise<ComponentView>;
  /** Null takes a key away. Errors: `COMPONENT_INVALID`, `COMPONENT_NOT_FOUND`, `COMPONENT_NOT_INACTIVE`. */
  patch: (viewer: Viewer, id: string, value: unknown) => Promise<ComponentView>;
  /** Errors: `COMPONENT_NOT_FOUND`, `COMPONENT_NOT_INACTIVE`. */
  delete: (viewer: Viewer, id: string) => Promise<void>;
  /** Only global ones; a repeat answers how it stands. Errors: `COMPONENT_NOT_FOUND`, `COMPONENT_NOT_GLOBAL`. */
  start: (viewer: Viewer, id: string) => Promise<{ id: string; status: LifeStatus }>;
  stop: (viewer: Viewer, id: string) => Promise<{ id: string; status: LifeStatus }>;
}

export interface Tell {
  /** There is something for the reconcilers. */
  onMoving: () => Promise<void>;
  /** Watchers should look again. */
  onChanged: () => Promise<void>;
}

export function makeComponents(db: Database, { onMoving, onChanged }: Tell): Components {
  const edit = async <Result>(viewer: Viewer, id: string, change: Change<Result>) => {
    const which = { tenant: viewer.tenant, id };
    const result = await retryConflicts(() => nameFailure(editComponent(db, which, change)));
    await onChanged();
    return result;
  };
  const read = async ({ tenant }: Viewer, id: string) => {
    const [found] = await nameFailure(listComponents(db.kysely, tenant, [id]));
    return toView(requireFound(found ?? null, id));
  };
  const move = async (viewer: Viewer, id: string, to: 'starting' | 'stopping') => {
    const status = await edit(viewer, id, (stored) => planMove(requireFound(stored, id), to));
    if (status === to) await onMoving();
    return { id, status };
  };
  return {
    list: async ({ tenant }) => (await nameFailure(listComponents(db.kysely, tenant, null))).map(toView),
    read,
    async create(viewer, value) {
      const definition = readDefinition(value);
      await edit(viewer, definition.id, (stored) => planCreation(stored, definition, viewer.tenant));
      return read(viewer, definition.id);
    },
    async patch(viewer, id, value) {
      await edit(viewer, id, (stored) => planPatch(requireFound(stored, id), value));
      return read(viewer, id);
    },
    delete: (viewer, id) =>
      edit(viewer, id, (stored) => {
        requireInactive(requireFound(stored, id));
        return { write: null, result: undefined };
      }),
    start: (viewer, id) => move(viewer, id, 'starting'),
    stop: (viewer, id) => move(viewer, id, 'stopping'),
  };
}

type Change<Result> = Parameters<typeof editComponent<Result>>[2];

function planCreation(
  stored: Component | null,
  definition: ComponentDefinition,
  tenant: string,
): ReturnType<Change<undefined>> {
  if (stored !== null) throw new UmbelError('COMPONENT_EXISTS', { component: definition.id });
  return { write: toWrite(definition, tenant, 'inactive'), result: undefined };
}

function planMove(component: Component, to: 'starting' | 'stopping'): ReturnType<Change<LifeStatus>> {
  const { id, status, isGlobal } = component;
  if (!isGlobal) throw new UmbelError('COMPONENT_NOT_GLOBAL', { component: id });
  const moves = to === 'starting' ? status === 'inactive' : status === 'starting' || status === 'active';
  if (!moves) return { result: status };
  return { write: { ...component, status: to }, result: to, events: [tellComponent(to, component, {})] };
}

function planPatch(stored: Component, value: unknown): ReturnType<Change<undefined>> {
  requireInactive(stored);
  const patch = typeof value === 'object' && value !== null ? { ...value } : value;
  const given =
    typeof patch === 'object' ? (patch as JsonObject) : refuse('', 'a component must be an object');
  if (given['id'] !== undefined && given['id'] !== stored.id)
    refuse('id', `must be ${JSON.stringify(stored.id)}, as the component is called`);
  const merged = Object.entries({ ...toDefinition(stored), ...given }).filter(([, part]) => part !== null);
  const definition = readDefinition(Object.fromEntries(merged));
  return { write: toWrite(definition, stored.tenant, stored.status), result: undefined };
}

/** Errors: `COMPONENT_INVALID`. */
function readDefinition(value: unknown): ComponentDefinition {
  const problems = findShapeProblems(ComponentShape, value, '');
  if (problems.length === 0) problems.push(...checkKind(value as ComponentDefinition));
  if (problems.length > 0) throw new UmbelError('COMPONENT_INVALID', { problems });
  return value as ComponentDefinition;
}

function checkKind(definition: ComponentDefinition): Problem[] {
  const { id, kind } = definition;
  const { keys, required } = OF_KIND[kind];
  const own: readonly string[] = [...keys, 'id', 'name', 'description', 'kind', 'isGlobal'];
  const idProblem = id.includes('.') || id === PROGRAM || id.trim() === '';
  return [
    ...(idProblem
      ? [{ path: 'id', message: `must not be blank, hold a dot, or be called "${PROGRAM}"` }]
      : []),
    ...Object.keys(definition)
      .filter((key) => !own.includes(key))
      .map((key) => ({ path: key, message: `is not known of a component of the kind ${kind}` })),
    ...required
      .filter((key) => definition[key] === undefined)
      .map((key) => ({ path: key, message: 'is required' })),
  ];
}

function toWrite(definition: ComponentDefinition, tenant: string, status: LifeStatus): ComponentWrite {
  const { id, name = null, description = null, kind, isGlobal = false, ...settings } = definition;
  return { id, tenant, name, description, kind, isGlobal, settings, status };
}

function toDefinition({ id, name, description, kind, isGlobal, settings }: Component): ComponentDefinition {
  const told = { ...(name === null ? {} : { name }), ...(description === null ? {} : { description }) };
  return { id, ...told, kind, isGlobal, ...settings };
}

function toView(component: Component): ComponentView {
  const { isGlobal, status, tenant, createdAt, updatedAt } = component;
  return {
    ...toDefinition(component),
    isGlobal,
    ...(isGlobal ? { status } : {}),
    tenant,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

function requireFound(component: Component | null, id: string): Component {
  if (component === null) throw new UmbelError('COMPONENT_NOT_FOUND', { component: id });
  return component;
}

function requireInactive({ id, status }: Component): void {
  if (status !== 'inactive') throw new UmbelError('COMPONENT_NOT_INACTIVE', { component: id, status });
}

function refuse(path: string, message: string): never {
  throw new UmbelError('COMPONENT_INVALID', { problems: [{ path, message }] });
}
