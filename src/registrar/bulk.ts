// Rerunning many executions at once: those of a list, a page a call. Made in registrar.ts, used by http/ and cmd/.
import type { JsonObject } from '../dag/vocabulary.ts';
import { findFailedTasks, findTasks, lockExecutions, rerunTasks, withTransaction } from '../sql/control.ts';
import type { Database } from '../sql/database.ts';
import { listExecutions, type ListFilter } from '../sql/executions.ts';
import { makeCursor, readCursor } from './executions.ts';
import { nameFailure } from './failure.ts';

export interface BulkFilter {
  flow?: string | undefined;
  /** When nothing is given and what failed is rerun: failed. */
  status?: string | undefined;
  /** ISO 8601: registered at that time or later, and before this one. */
  since?: string | undefined;
  until?: string | undefined;
}

export interface BulkRerun {
  tenant: string;
  filter: BulkFilter;
  /** `failed`: what stands failed. Else a step: that one and what comes after it, in executions that have it. */
  from: string;
  /** Replaces parameters of the tasks, by key. */
  params?: JsonObject | undefined;
  /** Says what would be rerun, and does nothing. */
  dryRun?: boolean | undefined;
  /** Executions looked at in one call: 1 to 1000; default 1000. */
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface BulkAnswer {
  /** Tasks set back, by execution, newest first; those that come after a step are not counted. */
  executions: { id: string; tasks: number }[];
  /** Where the next call goes on; not there when the list is at its end. */
  cursor?: string;
}

/** Errors: `QUERY_INVALID` for a cursor that no answer gave, `DATABASE_UNREACHABLE`; what was done until then stays done. */
export type RerunMany = (request: BulkRerun) => Promise<BulkAnswer>;

const MOST = 1000;
/** Executions of one transaction: few enough to hold up nobody for long. */
const BATCH = 50;

export function makeRerunMany(db: Database): RerunMany {
  return async (request) => {
    const { limit = MOST } = request;
    const rows = await nameFailure(listExecutions(db.kysely, filterOf(request, limit + 1)));
    const page = rows.slice(0, limit);
    const executions: BulkAnswer['executions'] = [];
    for (let at = 0; at < page.length; at += BATCH) {
      const ids = page.slice(at, at + BATCH).map(({ id }) => id);
      executions.push(...(await nameFailure(rerunBatch(db, request, ids))));
    }
    return rows.length > limit ? { executions, cursor: makeCursor(page.at(-1)!) } : { executions };
  };
}

function filterOf({ tenant, filter, from, cursor }: BulkRerun, limit: number): ListFilter {
  const { flow = null, status = from === 'failed' ? 'failed' : null, since, until } = filter;
  const after = cursor === undefined ? null : readCursor(cursor);
  return { tenant, flow, status, since: toDate(since), until: toDate(until), after, limit };
}

function toDate(time: string | undefined): Date | null {
  return time === undefined ? null : new Date(time);
}

/** What the list said may have changed since: the tasks are looked for again under lock. */
async function rerunBatch(
  db: Database,
  { tenant, from, params, dryRun = false }: BulkRerun,
  ids: string[],
): Promise<BulkAnswer['executions']> {
  return withTransaction(db, async (tx) => {
    if (!dryRun) await lockExecutions(tx, tenant, ids);
    const tasks = await (from === 'failed' ? findFailedTasks(tx, ids) : findTasks(tx, ids, from));
    if (!dryRun && tasks.length > 0)
      await rerunTasks(tx, tasks, { params: params ?? null, downstream: from !== 'failed' });
    const counts = new Map<string, number>();
    for (const { flow } of tasks) counts.set(flow, (counts.get(flow) ?? 0) + 1);
    return ids.flatMap((id) => (counts.has(id) ? [{ id, tasks: counts.get(id)! }] : []));
  });
}
