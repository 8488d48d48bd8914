// Between a flow as people write it and its rows: ms_flow and ms_task_definition. Loses nothing in either direction;
// what comes back is the one spelling that every way of asking gives. Called by flows.ts and check.ts.
import { nameOf } from '../../dag/names.ts';
import type { JsonObject, Step } from '../../dag/vocabulary.ts';
import type { Definition } from '../../sql/definitions.ts';
import { type FlowDefinition, type FlowHead, STEP_COLUMNS, type StepDefinition } from './schema.ts';

/** What ms_flow says of a flow. */
export type HeadRow = Pick<
  Definition,
  'name' | 'description' | 'maxRunning' | 'type' | 'cron' | 'timezone' | 'settings'
>;

/** The row of a step: explicit, so that it says the same whatever stands before it. */
export function toRow(step: StepDefinition, seq: string): Step {
  const { id, program, params = {}, priority = 0, pool = null, after = [], before = [] } = step;
  const rest = Object.entries(step).filter(([key, value]) => !(key in STEP_COLUMNS) && value !== undefined);
  // A column cannot tell a 0 that was written from one that was not, and only the first beats the flow's default.
  const options = {
    ...Object.fromEntries(rest),
    ...(step.priority === 0 ? { priority: 0 } : {}),
  } as JsonObject;
  return {
    seq,
    id,
    program,
    priority,
    pool,
    params,
    options: nullIfEmpty(options),
    dependsSeq: null,
    after,
    before: before.length === 0 ? null : before,
  };
}

export function toHeadRow(flow: FlowHead): HeadRow {
  const {
    id: _,
    steps: __,
    name = null,
    description = null,
    maxRunning = null,
    type = null,
    cron = null,
    timezone = null,
    ...settings
  } = flow as FlowDefinition;
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const columns = { name, description, maxRunning, type, cron, timezone };
  return { ...columns, settings: nullIfEmpty(Object.fromEntries(given)) };
}

/** Steps in order of seq; what a row leaves to its place among the others is spelled out. */
export function toSteps(rows: readonly Step[]): StepDefinition[] {
  const names = rows.map(nameOf);
  const bySeq = new Map(rows.map((row, at) => [row.seq, names[at] ?? row.seq]));
  return rows.map((row, at) => {
    const implicit =
      row.dependsSeq?.map((seq) => bySeq.get(seq) ?? seq) ?? names.slice(Math.max(0, at - 1), at);
    return toStep(row, row.after ?? implicit);
  });
}

export function toFlow(definition: Pick<Definition, 'flow' | 'steps'> & Partial<HeadRow>): FlowDefinition {
  const { flow, name, description, maxRunning, type, cron, timezone, settings, steps } = definition;
  return compact({
    id: flow,
    name,
    description,
    maxRunning,
    type,
    cron,
    timezone,
    ...settings,
    steps: toSteps(steps),
  }) as FlowDefinition;
}

/** The spelling that comes back when the flow is stored and read. */
export function normalizeFlow(flow: FlowDefinition): FlowDefinition {
  const steps = flow.steps.map((step, at) => toRow(step, String(at + 1)));
  return toFlow({ flow: flow.id, steps, ...toHeadRow(flow) });
}

export function normalizeStep(step: StepDefinition): StepDefinition {
  const row = toRow(step, '1');
  return toStep(row, row.after ?? []);
}

function toStep(row: Step, after: string[]): StepDefinition {
  const { program, params, pool, before } = row;
  const { name, description, priority: written, ...options } = row.options ?? {};
  const priority = row.priority === 0 && written !== 0 ? undefined : row.priority;
  const lists = {
    after: after.length === 0 ? undefined : after,
    before: before?.length ? before : undefined,
  };
  return compact({
    id: nameOf(row),
    name,
    description,
    program,
    params,
    priority,
    pool,
    ...lists,
    ...options,
  }) as unknown as StepDefinition;
}

function compact(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined && part !== null));
}

function nullIfEmpty(value: JsonObject): JsonObject | null {
  return Object.keys(value).length === 0 ? null : value;
}
