// The process in which one case runs, so that contenders share neither heap nor event loop. Started by rounds.ts.
import { messageOf } from '../src/errors.ts';
import type { CaseContext, Sample } from './shape.ts';
import { SHAPES } from './shapes.ts';

export interface CaseOrder {
  shape: string;
  name: string;
  do: 'run' | 'fill';
  context: CaseContext;
}

/** What comes back: a sample, nothing after a fill, or why there is none. */
export type CaseAnswer = { sample: Sample | null } | { error: string };

process.on('disconnect', () => process.exit(1));
const answer = await carryOut(JSON.parse(process.argv[2] ?? '{}') as CaseOrder);
process.send?.(answer, () => process.exit(0));

async function carryOut(order: CaseOrder): Promise<CaseAnswer> {
  try {
    const found = SHAPES.find(({ name }) => name === order.shape)?.cases[order.name];
    if (found === undefined) throw new Error(`there is no case ${order.shape} / ${order.name}`);
    if (order.do === 'run') return { sample: await found.run(order.context) };
    await found.fill?.(order.context);
    return { sample: null };
  } catch (error) {
    return { error: messageOf(error) };
  }
}
