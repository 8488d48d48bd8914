// What a definition changes: worked out before it is written, told to whoever asked for it. Called by flows.ts.
import { isDeepStrictEqual } from 'node:util';
import type { Definition } from '../../sql/definitions.ts';
import type { FlowWrite } from '../../sql/flows.ts';
import type { Placed } from './edits.ts';
import { normalizeFlow, normalizeStep, toFlow, toHeadRow, toRow, toSteps } from './rows.ts';
import type { FlowDefinition, FlowHead } from './schema.ts';

export interface Changes {
  kind: 'created' | 'changed' | 'unchanged';
  added: string[];
  changed: string[];
  removed: string[];
  /** Keys of the flow itself that are not what they were; `steps` when only their order is. */
  keys: string[];
}

export function findChanges(stored: Definition | null, flow: FlowDefinition): Changes {
  const next = normalizeFlow(flow);
  const before = stored === null ? { id: flow.id, steps: [] } : toFlow(stored);
  const old = new Map(before.steps.map((step) => [step.id, step]));
  const added = next.steps.filter(({ id }) => !old.has(id)).map(({ id }) => id);
  const changed = next.steps.filter((step) => old.has(step.id) && !isDeepStrictEqual(old.get(step.id), step));
  const ids = new Set(next.steps.map(({ id }) => id));
  const removed = [...old.keys()].filter((id) => !ids.has(id));
  const keys = differingKeys(before, next);
  if (added.length + changed.length + removed.length === 0 && !isDeepStrictEqual([...old.keys()], [...ids])) {
    keys.push('steps');
  }
  const isSame = added.length + changed.length + removed.length + keys.length === 0;
  const kind = stored === null ? 'created' : isSame ? 'unchanged' : 'changed';
  return { kind, added, changed: changed.map(({ id }) => id), removed, keys };
}

function differingKeys(before: FlowDefinition, next: FlowDefinition): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(next)]);
  return [...keys].filter(
    (key) =>
      key !== 'steps' && !isDeepStrictEqual(before[key as keyof FlowHead], next[key as keyof FlowHead]),
  );
}

/** Seqs for the steps of a whole flow: those of its rows while the ids are the same, else 1 to n. */
export function placeSteps(stored: Definition | null, { steps }: FlowDefinition): Placed[] {
  const rows = stored?.steps ?? [];
  const isSame = isDeepStrictEqual(
    toSteps(rows).map(({ id }) => id),
    steps.map(({ id }) => id),
  );
  return steps.map((step, at) => ({ seq: (isSame ? rows[at]?.seq : undefined) ?? String(at + 1), step }));
}

/** The rows to write so that the flow has these steps. Rows that lean on their neighbours are spelled out. */
export function planWrite(stored: Definition | null, head: FlowHead, steps: Placed[]): FlowWrite {
  const rows = stored?.steps ?? [];
  const spelled = toSteps(rows);
  const explicit = rows.flatMap(({ seq, after }, at) =>
    after === null ? [] : [[seq, spelled[at]] as const],
  );
  const kept = new Map(explicit);
  const seqs = new Set(steps.map(({ seq }) => seq));
  return {
    head: toHeadRow(head),
    rows: steps
      .filter(({ seq, step }) => !isDeepStrictEqual(normalizeStep(step), kept.get(seq)))
      .map(({ seq, step }) => toRow(step, seq)),
    gone: rows.map(({ seq }) => seq).filter((seq) => !seqs.has(seq)),
  };
}
