// The repository of flows, as Open Integration Hub has it: lists, creates and changes them as graphs. What it writes are the same
// rows that definition/flows.ts writes as steps. Called by http/routes/flow-repository.ts and cmd/.
import { v7 as makeId } from 'uuid';
import type { Problem } from '../../dag/vocabulary.ts';
import { UmbelError } from '../../errors.ts';
import type { Database } from '../../sql/database.ts';
import { type Definition, type Owner, readDefinition, readDefinitions } from '../../sql/definitions.ts';
import { type FlowPage, listFlows } from '../../sql/flow-list.ts';
import { editFlow } from '../../sql/flows.ts';
import { readKnownPrograms } from '../../sql/known-programs.ts';
import { findChanges, placeSteps, planWrite } from '../definition/changes.ts';
import { type Edit, requireInactive, requireOwn, tellChange } from '../definition/flow-edits.ts';
import { toFlow } from '../definition/rows.ts';
import type { FlowDefinition } from '../definition/schema.ts';
import { nameFailure, retryConflicts } from '../failure.ts';
import { sightOf, type Viewer } from '../viewer.ts';
import { applyPatch, type FlowInput, readNewFlow, readPatch } from './input.ts';
import { judgePrograms } from './known-programs.ts';
import { type FlowView, toView } from './view.ts';

export type { FlowOrder, FlowPage } from '../../sql/flow-list.ts';

export interface Written {
  flow: FlowView;
  /** Programs that nobody can vouch for. */
  warnings: Problem[];
}

/** Errors of all: `DATABASE_UNREACHABLE`. */
export interface FlowRepository {
  list: (viewer: Viewer, page: FlowPage) => Promise<{ flows: FlowView[]; total: number }>;
  /** Errors: `FLOW_NOT_FOUND`. */
  read: (viewer: Viewer, id: string) => Promise<FlowView>;
  /** Whatever `value` is. Errors: `FLOW_INVALID`, `FLOW_EXISTS`. */
  create: (viewer: Viewer, value: unknown) => Promise<Written>;
  /** Errors: `FLOW_INVALID`, `FLOW_NOT_FOUND`, `FLOW_NOT_INACTIVE`. */
  patch: (viewer: Viewer, id: string, value: unknown) => Promise<Written>;
}

export function makeFlowRepository(db: Database): FlowRepository {
  return {
    list: async (viewer, page) => {
      const { ids, total } = await nameFailure(listFlows(db.kysely, sightOf(viewer), page));
      const found = await nameFailure(readDefinitions(db, ids));
      const byId = new Map(found.map((definition) => [definition.flow, definition]));
      return { total, flows: ids.flatMap((id) => byId.get(id) ?? []).map(toView) };
    },
    read: async (viewer, id) => toView(await find(db, viewer, id)),
    create: (viewer, value) => createFlow(db, viewer, value),
    patch: (viewer, id, value) => patchFlow(db, viewer, id, value),
  };
}

async function find(db: Database, viewer: Viewer, flow: string): Promise<Definition> {
  const stored = await nameFailure(readDefinition(db.kysely, flow));
  return requireOwn(stored, { ...viewer, flow }, 'No flow found');
}

async function createFlow(db: Database, viewer: Viewer, value: unknown): Promise<Written> {
  const { flow, owners } = readNewFlow(value, makeId());
  const warnings = await checkPrograms(db, viewer.tenant, flow);
  await edit(db, viewer, flow.id, (stored) => {
    if (stored !== null) throw new UmbelError('FLOW_EXISTS', { flow: flow.id });
    const write = planWrite(null, flow, placeSteps(null, flow));
    const events = tellChange('created', null, { ...viewer, flow: flow.id });
    return { write: { ...write, owners: addCaller(owners, viewer) }, result: undefined, events };
  });
  return { flow: toView(await find(db, { ...viewer, permissions: 'all' }, flow.id)), warnings };
}

async function patchFlow(db: Database, viewer: Viewer, id: string, value: unknown): Promise<Written> {
  const input = readPatch(value, id);
  const change = (stored: Definition | null) => planPatch(stored, viewer, id, input);
  const { result: changed } = change(await nameFailure(readDefinition(db.kysely, id)));
  const warnings = input.steps === undefined ? [] : await checkPrograms(db, viewer.tenant, changed);
  await edit(db, viewer, id, change);
  return { flow: toView(await find(db, { ...viewer, permissions: 'all' }, id)), warnings };
}

function planPatch(
  stored: Definition | null,
  viewer: Viewer,
  id: string,
  input: FlowInput,
): Edit<FlowDefinition> {
  const own = requireOwn(stored, { ...viewer, flow: id }, 'Flow not found');
  requireInactive(own);
  const flow = applyPatch(toFlow(own), input);
  const { owners } = input;
  if (owners === undefined && findChanges(own, flow).kind === 'unchanged')
    return { write: null, result: flow };
  const write = planWrite(own, flow, placeSteps(own, flow));
  const events = tellChange('changed', own, { ...viewer, flow: id });
  return { write: owners === undefined ? write : { ...write, owners }, result: flow, events };
}

/** Gives the warnings. Errors: `FLOW_INVALID`. */
async function checkPrograms(db: Database, tenant: string, flow: FlowDefinition): Promise<Problem[]> {
  const { problems, warnings } = judgePrograms(flow, await nameFailure(readKnownPrograms(db.kysely, tenant)));
  if (problems.length > 0) throw new UmbelError('FLOW_INVALID', { flow: flow.id, problems });
  return warnings;
}

function addCaller(owners: Owner[], { user, tenant }: Viewer): Owner[] {
  const caller = [
    ...(user === undefined ? [] : [{ id: user, type: 'user' }]),
    { id: tenant, type: 'tenant' },
  ];
  const isNew = ({ id, type }: Owner) => !owners.some((owner) => owner.id === id && owner.type === type);
  return [...owners, ...caller.filter(isNew)];
}

/** Changes the flow while nobody else does. */
function edit<Result>(
  db: Database,
  viewer: Viewer,
  flow: string,
  change: (stored: Definition | null) => Edit<Result>,
): Promise<Result> {
  return retryConflicts(() => nameFailure(editFlow(db, { ...viewer, flow }, change)));
}
