// Starts and stops of flows while the processes that carry them out are killed, and the commands that ask for them.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { umbel as run } from '../support/run.ts';
import { startRegister, until } from '../support/service.ts';
import { answerJson, startServer } from '../unit/programs/local-server.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const ask = async (address: string, method: string, path: string, body?: object) => {
  const answer = await fetch(`${address}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, ...((await answer.json()) as { data: { status: string } }) };
};

it('whoever is killed in the middle, another process brings a start and a stop to their end', async () => {
  let healthy = false;
  const { url, received } = await startServer((response) => answerJson(response, {}, healthy ? 200 : 503));
  const env = { DATABASE_URL: database.url };
  const first = await startRegister(env);
  await ask(first.address, 'POST', '/components', { id: 'crm', kind: 'http', address: url });
  const graph = { nodes: [{ id: 'a', componentId: 'crm', function: 'upsert' }] };
  expect((await ask(first.address, 'POST', '/flows', { id: 'x', graph })).status).toBe(201);
  expect((await ask(first.address, 'POST', '/flows/x/start')).data.status).toBe('starting');
  await until(
    async () => received.length,
    (asked) => asked > 0,
  );
  await first.stop('SIGKILL');
  healthy = true;
  const second = await startRegister(env);
  const statusAt = (address: string) => async () => (await ask(address, 'GET', '/flows/x')).data.status;
  await until(statusAt(second.address), (status) => status === 'active');
  await ask(second.address, 'POST', '/flows/x/stop');
  await second.stop('SIGKILL');
  const third = await startRegister(env);
  await until(statusAt(third.address), (status) => status === 'inactive');
  const { rows } = await database.db.pool.query(
    `select name from ms_event where name like 'flow.%' order by event_id`,
  );
  expect(rows.map(({ name }) => name)).toEqual([
    'flow.starting',
    'flow.started',
    'flow.stopping',
    'flow.stopped',
  ]);
});

it('the command line lists, shows, starts and stops; a running service sees to it at once', async () => {
  const env = { DATABASE_URL: database.url };
  await database.db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program) values ('by-sql', 1, 'empty')`,
  );
  // So seldom that what it sees it was told.
  await startRegister({ ...env, POLL_INTERVAL: '1h' });
  const umbel = (...args: string[]) => run(['flows', ...args], { env });
  const started = await umbel('start', 'by-sql', 'nobody');
  expect(started.code).toBe(1);
  expect(started.stdout).toContain('by-sql  starting');
  expect(started.stderr).toContain('No flow with this ID found');
  await until(
    async () => (await umbel('ls')).stdout,
    (listed) => /by-sql +\| active +\| hook/.test(listed),
  );
  expect((await umbel('show', 'by-sql', '--json')).stdout).toContain('"status": "active"');
  expect((await umbel('stop', 'by-sql')).stdout).toContain('by-sql  stopping');
});
