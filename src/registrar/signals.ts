// Signals to executions: what a waiting task goes on with. Called by control.ts in its transaction.
import type { Json } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { Tx } from '../sql/database.ts';
import { readAwaitedSignals, sendSignal } from '../sql/signals.ts';

export interface Signal {
  tenant: string;
  id: string;
  /** What a task waits for; of an approval the id of its step. */
  name: string;
  value: Json;
  /** Who sends it. */
  by?: string | undefined;
  comment?: string | undefined;
}

/** Errors: `EXECUTION_NOT_FOUND`, `EXECUTION_ENDED`. */
export async function signalExecution(tx: Tx, signal: Signal): Promise<void> {
  const { tenant, id, name, value, by = null, comment = null } = signal;
  const status = await sendSignal(tx, { tenant, execution: id, name, value, by, comment });
  if (status === null) throw new UmbelError('EXECUTION_NOT_FOUND', { execution: id });
  if (status !== 'open' && status !== 'paused')
    throw new UmbelError('EXECUTION_ENDED', { execution: id, status, verb: 'signalled' });
}

/** Signals whatever the execution waits for. Errors: those of signals, `CONFLICT` when that is nothing or several things. */
export async function deliverInput(tx: Tx, input: Omit<Signal, 'name'>): Promise<void> {
  const [name, ...others] = await readAwaitedSignals(tx, input.id);
  if (name === undefined)
    throw refuse(input.id, 'no task of it waits for a signal, so there is no use for input');
  if (others.length > 0)
    throw refuse(
      input.id,
      `its tasks wait for several signals (${[name, ...others].join(', ')}): send one of these instead of input`,
    );
  await signalExecution(tx, { ...input, name });
}

function refuse(id: string, why: string): UmbelError {
  return new UmbelError('CONFLICT', { reason: `The execution "${id}" cannot take input: ${why}.` });
}
