import { once, EventEmitter } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import type { Logger } from '../../../src/log.ts';
import { startPruner } from '../../../src/watcher/pruner.ts';
import { createDatabase } from '../../support/database.ts';

/** A log that tells when something was said. */
function makeEars() {
  const heard = new EventEmitter();
  const tell = (details: object, message: string) => heard.emit('line', message, details);
  return { heard, log: { info: tell, debug: tell, error: tell } as unknown as Logger };
}

async function makeDatabaseWithEnded() {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const add = () =>
    database.db.pool
      .query(`insert into kr_flow_stat (task_flow_id, task_id, flow_status, registered_ts, finished_ts)
      values (gen_random_uuid(), 'f', 'success', now() - interval '2 days', now() - interval '2 days')`);
  return { database, add };
}

test('deletes again and again what became old enough', async () => {
  const { database, add } = await makeDatabaseWithEnded();
  const { heard, log } = makeEars();
  const pruner = startPruner({ db: database.db, retention: 86_400_000, every: 10, log });
  onTestFinished(() => pruner.stop());
  for (let round = 0; round < 2; round += 1) {
    const told = once(heard, 'line');
    await add();
    expect(await told).toEqual(['pruned executions', { executions: 1, tasks: 0 }]);
  }
  expect((await database.db.pool.query('select 1 from kr_flow_stat')).rows).toEqual([]);
});

test('goes on after a failure', async () => {
  const { database, add } = await makeDatabaseWithEnded();
  const { heard, log } = makeEars();
  await database.db.pool.query('alter table kr_flow_stat rename to away');
  const pruner = startPruner({ db: database.db, retention: 86_400_000, every: 10, log });
  onTestFinished(() => pruner.stop());
  expect(await once(heard, 'line')).toContain('pruning failed; trying again');
  await database.db.pool.query('alter table away rename to kr_flow_stat');
  await add();
  for (;;) if ((await once(heard, 'line'))[0] === 'pruned executions') break;
});

test('is quiet once stopped', async () => {
  const { database } = await makeDatabaseWithEnded();
  const { log } = makeEars();
  const pruner = startPruner({ db: database.db, retention: 86_400_000, every: 1, log });
  await pruner.stop();
  expect(database.db.pool.totalCount - database.db.pool.idleCount).toBe(0);
});
