// Executions of steps that no flow holds: judged like a definition, kept as a version of their own, and shown under one flow id that no
// flow can have. Called by execute.ts.
import { UmbelError } from '../errors.ts';
import { checkFlow } from './definition/check.ts';
import { toHeadRow, toRow } from './definition/rows.ts';
import type { Plannable } from './definition/plan.ts';
import type { FlowDefinition } from './definition/schema.ts';

/** The flow that such executions show. */
export const AD_HOC = 'adhoc';

/** What makes flows start themselves, or counts their executions, says nothing of one execution. */
const OF_FLOWS = ['id', 'maxRunning', 'type', 'cron', 'timezone', 'flowSettings', 'owners', 'concurrency'];

/** The definition of a single execution, whatever `flow` is. Errors: `DEFINITION_INVALID` with every problem. */
export function defineAdHoc(flow: object, tenant: string): Plannable {
  const given = Object.fromEntries(Object.entries(flow).filter(([key]) => !OF_FLOWS.includes(key)));
  const definition = { ...given, id: 'steps' };
  const { problems, missing } = checkFlow(definition);
  const all = [...problems, ...missing];
  if (all.length > 0) throw new UmbelError('DEFINITION_INVALID', { flow: AD_HOC, problems: all });
  const valid = definition as unknown as FlowDefinition;
  return {
    settings: toHeadRow(valid).settings,
    flow: AD_HOC,
    // No flow has it: they begin with 1.
    revision: '0',
    tenant,
    steps: valid.steps.map((step, at) => toRow(step, String(at + 1))),
  };
}
