// What an edge brings to its child: the one reading of a predecessor's end. `umbel_edge` in SQL says the same; called wherever that is
// judged outside of the database.
import { ExecStatus } from './vocabulary.ts';

/** Which end of the predecessor an edge asks for; goto: that a failure of it was caught and sent here. */
export type EdgeKind = 'succeeded' | 'failed' | 'always' | 'goto';

/** open: nothing yet. met: it arrived. skipped: its predecessor was. unmet: it will never arrive. */
export type EdgeState = 'open' | 'met' | 'skipped' | 'unmet';

/** How a predecessor stands. */
export interface End {
  status: ExecStatus;
  reason: string | null;
  /** The dependants that it let go on, where that was not left to the edges. */
  chosen?: readonly number[] | null | undefined;
}

/** Reasons of an ignored task that a `failed` edge takes for a failure. */
const FAILURES: readonly string[] = ['handled', 'allowed_failure'];

export function judgeEdge(kind: EdgeKind, { status, reason, chosen }: End, child: number): EdgeState {
  const ignored = status === ExecStatus.ignore;
  if (!ignored && status !== ExecStatus.finish) return 'open';
  if (ignored && reason === 'aborted') return 'open';
  if (ignored && reason === 'skipped') return 'skipped';
  if (chosen?.includes(child)) return 'met';
  if (kind === 'goto') return 'skipped';
  if (kind === 'always') return 'met';
  if (chosen) return 'unmet';
  if (kind === 'failed') return ignored && FAILURES.includes(reason ?? '') ? 'met' : 'unmet';
  return ignored && reason === 'handled' ? 'unmet' : 'met';
}
