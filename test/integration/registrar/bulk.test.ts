import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BulkRerun, makeRerunMany, type RerunMany } from '../../../src/registrar/bulk.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { readExecution, readStatuses, readTasks, setStatus } from '../../support/rows.ts';
import {
  failed,
  finished,
  joinWatcher,
  type PlannedFlow,
  planFlow,
  registerMany,
  runAll,
  type TestWatcher,
} from '../../support/runs.ts';
import { makeSteps } from '../../support/steps.ts';

let database: TestDatabase;
let rerunMany: RerunMany;
let watcher: TestWatcher;
let chain: PlannedFlow;
beforeEach(async () => {
  database = await createDatabase();
  rerunMany = makeRerunMany(database.db);
  watcher = await joinWatcher(database.db);
  chain = await planFlow(database.db, makeSteps({ a: [], b: ['a'] }), { flow: 'chain' });
});
afterEach(() => database.drop());

/** Executions of the flow: the first step of each fails. */
async function fail(count: number, flow = chain): Promise<string[]> {
  const ids = await registerMany(database.db, flow, count);
  const { claimed } = await watcher.call();
  await watcher.call({ ended: claimed.map((task) => failed(task)) });
  return ids;
}
const rerun = (rest: Partial<BulkRerun> = {}) =>
  rerunMany({ tenant: 'local', filter: {}, from: 'failed', ...rest });
const idsOf = ({ executions }: Awaited<ReturnType<RerunMany>>) => executions.map(({ id }) => id);

describe('from what failed', () => {
  it('sets back what stands failed, of failed executions only, with edited parameters', async () => {
    const ids = await fail(3);
    const [succeeded] = await registerMany(database.db, chain);
    await runAll(watcher);
    const answer = await rerun({ params: { x: 2 } });
    expect(answer).toEqual({ executions: ids.toReversed().map((id) => ({ id, tasks: 1 })) });
    for (const id of ids) {
      expect((await readTasks(database.db, id)).map(({ parameters }) => parameters)).toEqual([{ x: 2 }, {}]);
      expect(await readExecution(database.db, id)).toMatchObject({ status: 'open', active: 1 });
    }
    expect(await readStatuses(database.db, succeeded!)).toEqual([3, 3]);
    expect(await runAll(watcher)).toHaveLength(6);
  });

  it('takes a flow, and times of registration', async () => {
    const other = await planFlow(database.db, makeSteps({ a: [] }), { flow: 'other' });
    const [mine] = await fail(1);
    const [others] = await fail(1, other);
    expect(idsOf(await rerun({ filter: { flow: 'other' }, dryRun: true }))).toEqual([others]);
    expect(idsOf(await rerun({ filter: { until: '2000-01-01T00:00:00Z' } }))).toEqual([]);
    expect(idsOf(await rerun({ filter: { since: '2000-01-01T00:00:00Z' } }))).toEqual([others, mine]);
  });

  it('only says what it would do in a dry run', async () => {
    const [id] = await fail(1);
    expect(await rerun({ dryRun: true })).toEqual({ executions: [{ id, tasks: 1 }] });
    expect(await readStatuses(database.db, id!)).toEqual([2, 0]);
  });

  it('goes on where the last call ended', async () => {
    const ids = await fail(5);
    const first = await rerun({ limit: 3 });
    expect(idsOf(first)).toEqual(ids.slice(2).toReversed());
    const second = await rerun({ limit: 3, cursor: first.cursor });
    expect(idsOf(second)).toEqual(ids.slice(0, 2).toReversed());
    expect(second.cursor).toBeUndefined();
  });

  it('leaves other tenants alone', async () => {
    await fail(1);
    expect(await rerun({ tenant: 'other' })).toEqual({ executions: [] });
  });

  it('refuses a cursor that it did not give', async () => {
    await expect(rerun({ cursor: 'x' })).rejects.toMatchObject({ code: 'QUERY_INVALID' });
  });
});

describe('from a step', () => {
  it('does that one and what comes after it again, where it is, whatever the status', async () => {
    const [done] = await registerMany(database.db, chain);
    await runAll(watcher);
    const single = await planFlow(database.db, makeSteps({ b: [] }), { flow: 'single' });
    const [running] = await registerMany(database.db, single);
    await watcher.call();
    const answer = await rerun({ from: 'a', filter: { flow: 'chain' } });
    expect(answer).toEqual({ executions: [{ id: done, tasks: 1 }] });
    expect(await readStatuses(database.db, done!)).toEqual([0, 0]);
    expect(idsOf(await rerun({ from: 'b' }))).toEqual([running, done]);
    expect(idsOf(await rerun({ from: 'nowhere' }))).toEqual([]);
  });

  it('keeps a paused execution held', async () => {
    const [id] = await registerMany(database.db, chain);
    const { claimed } = await watcher.call();
    await database.db.pool.query(`update kr_flow_stat set flow_status = 'paused'`);
    await watcher.call({ ended: claimed.map((task) => finished(task)) });
    await setStatus(database.db, id!, 2, 9);
    await rerun({ from: 'a' });
    expect((await watcher.call()).claimed).toEqual([]);
    expect(await readStatuses(database.db, id!)).toEqual([0, 9]);
  });
});
