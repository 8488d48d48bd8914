// What steps remember from one execution to the next, on a real watcher.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newEntries } from '../../../examples/programs/new-entries.ts';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { defineProgram, type Context } from '../../../src/programs/program.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { readTasks } from '../../support/rows.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';
import { answerJson, startServer } from '../../unit/programs/local-server.ts';

let base: TestDatabase;
let registrar: Registering;
/** What `scripted` does at its next attempts. */
let script: ((context: Context) => Json | Promise<Json>)[];
beforeEach(async () => {
  base = await createDatabase();
  registrar = makeTestRegistrar(base.db);
  script = [];
  const scripted = defineProgram({
    name: 'scripted',
    description: 'does what the test says',
    run: (context) => script.shift()!(context as Context),
  });
  await startWatcher(base.url, [scripted, newEntries]);
});
afterEach(async () => {
  await stopWatchers();
  await base.drop();
});

const run = async (flow: string, status: number) => {
  const id = await registrar.start(flow);
  await untilStatuses(base.db, id, [status]);
  return (await readTasks(base.db, id))[0]!;
};
const stored = async () =>
  (await base.db.pool.query('select task_id, step, snapshot from ms_snapshot order by task_id')).rows;

it('is what the last attempt set that ended well', async () => {
  await defineFlow(base.db, 'x', [{ program: 'scripted' }]);
  const get = ({ snapshot }: Context) => snapshot.get();
  script.push(get);
  expect((await run('x', 3)).result).toBeNull();
  script.push(async ({ snapshot }) => {
    snapshot.set({ cursor: 1 });
    snapshot.set({ cursor: 2 });
    return snapshot.get();
  });
  expect((await run('x', 3)).result).toEqual({ cursor: 2 });
  script.push(({ snapshot }) => {
    snapshot.set({ cursor: 3 });
    throw new Error('in the middle');
  });
  await run('x', 2);
  script.push(get);
  expect((await run('x', 3)).result).toEqual({ cursor: 2 });
  expect(await stored()).toEqual([{ task_id: 'x', step: '1', snapshot: { cursor: 2 } }]);
});

it('counts with the result or not at all: an answer that comes late changes nothing', async () => {
  await defineFlow(base.db, 'x', [{ program: 'scripted' }]);
  script.push(async ({ snapshot, execution }) => {
    // An operator decides meanwhile.
    await base.db.pool.query('update kr_task_stat set exec_status = 9 where task_flow_id = $1', [
      execution.id,
    ]);
    snapshot.set('late');
    return null;
  });
  const id = await registrar.start('x');
  await untilStatuses(base.db, id, [9]);
  script.push(({ snapshot }) => snapshot.get());
  expect((await run('x', 3)).result).toBeNull();
  expect(await stored()).toEqual([]);
});

it('refuses what cannot be stored', async () => {
  await defineFlow(base.db, 'x', [{ program: 'scripted' }]);
  script.push(({ snapshot }) => {
    snapshot.set('x'.repeat(2 << 20));
    return null;
  });
  expect((await run('x', 2)).error).toMatchObject({
    name: 'ResultError',
    message: expect.stringContaining('snapshot'),
  });
});

it('keeps flows apart, and goes with its flow', async () => {
  const step = { id: 'a', program: 'scripted' };
  for (const flow of ['x', 'y'])
    await registrar.flows.define({ tenant: 'local', flow }, { steps: [step], id: flow });
  const set = ({ snapshot, execution }: Context) => {
    snapshot.set(execution.flow);
    return null;
  };
  script.push(set, set);
  await run('x', 3);
  await run('y', 3);
  expect(await stored()).toMatchObject([{ task_id: 'x', step: 'a', snapshot: 'x' }, { task_id: 'y' }]);
  await registrar.flows.delete({ tenant: 'local', flow: 'x' });
  expect(await stored()).toMatchObject([{ task_id: 'y' }]);
});

it('is how the example asks for what came since the last time', async () => {
  const entries = [{ id: 1 }, { id: 2 }];
  const { url } = await startServer((response, { path }) => {
    const since = Number(new URL(path, 'http://x').searchParams.get('since'));
    answerJson(
      response,
      entries.filter(({ id }) => id > since),
    );
  });
  await defineFlow(base.db, 'poll', [{ program: 'poll.newEntries', params: { url } }]);
  expect((await run('poll', 3)).result).toEqual([{ id: 1 }, { id: 2 }]);
  expect((await run('poll', 3)).result).toEqual([]);
  entries.push({ id: 3 });
  expect((await run('poll', 3)).result).toEqual([{ id: 3 }]);
});
