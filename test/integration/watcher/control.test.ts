import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe, type ProbeRun } from '../../support/probe.ts';
import { readTask, setStatus } from '../../support/rows.ts';
import { startWatcher } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
});
afterEach(() => database.drop());

const which = (id: string) => ({ tenant: 'local', id });

/** Two watchers, and a flow of two probes at once and one after both. */
async function begin() {
  const probe = makeProbe();
  const options = { workers: 1 };
  const watchers = [
    await startWatcher(database.url, [probe.program], options),
    await startWatcher(database.url, [probe.program], options),
  ];
  await defineFlow(database.db, 'two', [
    { program: 'probe', depends: [] },
    { program: 'probe', depends: [] },
    { program: 'probe', depends: [1, 2] },
  ]);
  const id = await registrar.start('two');
  const runs = [await probe.next(), await probe.next()];
  const of = (seq: number) => runs.find(({ key }) => key === `${id}:${seq}`)!;
  return { probe, watchers, id, of };
}

const untilAborted = ({ context: { signal } }: ProbeRun) =>
  signal.aborted
    ? Promise.resolve(signal.reason as Error)
    : new Promise<Error>((resolve) =>
        signal.addEventListener('abort', () => resolve(signal.reason as Error), { once: true }),
      );

test('an abort stops the programs of every watcher, whose late answers change nothing, and frees their workers', async () => {
  const { probe, id, of } = await begin();
  await registrar.control.abort(which(id));
  const reasons = await Promise.all([untilAborted(of(1)), untilAborted(of(2))]);
  expect(reasons.map(({ name }) => name)).toEqual(['CancelledError', 'CancelledError']);
  of(1).finish('late');
  const other = await registrar.start('two');
  expect((await probe.next()).key).toMatch(other);
  expect((await probe.next()).key).toMatch(other);
  await untilStatuses(database.db, id, [9, 9, 9]);
  expect(await readTask(database.db, id, 1)).toMatchObject({ reason: 'aborted', result: null });
});

test('a running task that is set to 9 by SQL is stopped; the other goes on', async () => {
  const { id, of, probe } = await begin();
  await setStatus(database.db, id, 1, 9);
  await untilAborted(of(1));
  expect(of(2).context.signal.aborted).toBe(false);
  of(2).finish();
  expect((await probe.next()).key).toBe(`${id}:3`);
});

test('a rerun stops the running attempt and begins another', async () => {
  const { id, of, probe } = await begin();
  await registrar.control.rerun({ ...which(id), step: '1', params: { again: true } });
  await untilAborted(of(1));
  const again = await probe.next();
  expect(again.context).toMatchObject({ attempt: 2, params: { again: true } });
  again.finish('second');
  of(2).finish();
  (await probe.next()).finish();
  await untilStatuses(database.db, id, [3, 3, 3]);
  expect(await readTask(database.db, id, 1)).toMatchObject({ result: 'second', attempt: 2 });
});

test('a pause stops nothing that runs, begins nothing, and a resume wakes the watchers', async () => {
  const { id, of, probe } = await begin();
  await registrar.control.pause(which(id));
  of(1).finish();
  of(2).finish();
  await untilStatuses(database.db, id, [3, 3, 0]);
  await registrar.control.resume(which(id));
  const last = await probe.next();
  expect([last.key, probe.begun.length]).toEqual([`${id}:3`, 3]);
  expect([of(1), of(2)].map(({ context }) => context.signal.aborted)).toEqual([false, false]);
});

test('asks nothing while nothing runs, and only about its own tasks while something does', async () => {
  const { id, of, probe, watchers } = await begin();
  const asked: unknown[][] = [];
  const { pool } = watchers[0]!.db;
  const send = pool.query.bind(pool) as (...args: unknown[]) => unknown;
  let heard = () => {};
  pool.query = ((...args: unknown[]) => {
    const [query] = args as [{ name?: string; values?: unknown[] }];
    if (query.name === 'findTakenAway') {
      asked.push(query.values!);
      heard();
    }
    return send(...args);
  }) as typeof pool.query;
  await new Promise<void>((resolve) => (heard = resolve));
  expect(asked[0]!.slice(1, 2)).toEqual([[id]]);
  of(1).finish();
  of(2).finish();
  (await probe.next()).finish();
  await untilStatuses(database.db, id, [3, 3, 3]);
  const before = asked.length;
  await expect.poll(() => asked.length, { timeout: 1_200, interval: 1_100 }).toBe(before);
});
