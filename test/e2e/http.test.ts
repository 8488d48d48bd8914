// The register server as a process, asked over the network: what it refuses, and what it does while its database is gone.
import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { chmod } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { startEmbedded } from '../../src/sql/embedded.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { makeDoor } from '../support/door.ts';
import { defineFlow } from '../support/flows.ts';
import { makeDirectory, startRegister, startWatch, until } from '../support/service.ts';
import { umbel } from '../support/run.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  await defineFlow(database.db, 'load', [{ program: 'empty' }]);
  await defineFlow(database.db, 'a/b c', [{ program: 'empty' }]);
  await database.db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program, step_id, after) values
       ('bad', 1, 'A', 'a', '{b}'), ('bad', 2, 'B', 'b', '{a}'), ('bad', 3, 'C', 'c', '{nowhere}'), ('bad', 4, 'D', 'c', null)`,
  );
});
afterAll(() => database.drop());

/** Sends exactly this, as no well-behaved client would. */
async function send(
  address: string,
  method: string,
  path: string,
  body?: string | Buffer,
  type = 'application/json',
) {
  const url = new URL(address);
  const asked = request({
    host: url.hostname,
    port: url.port,
    method,
    path,
    headers: body === undefined ? {} : { 'content-type': type },
  });
  asked.on('error', () => undefined);
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const got = await text(answer);
  return {
    status: answer.statusCode,
    type: answer.headers['content-type'],
    body: got === '' ? null : (JSON.parse(got) as unknown),
  };
}

/** What the body of a refusal holds: Flower's form where a flow was named, the general one elsewhere. */
const formOf = (method: string, path: string) =>
  method === 'POST' && path.startsWith('/register/') && path !== '/register/%zz'
    ? { status: 'failed', description: expect.any(String) }
    : { errors: [{ message: expect.any(String) }] };

test('refuses bad requests with their status, as JSON, and goes on serving', async () => {
  const { address } = await startRegister({ DATABASE_URL: database.url });
  const refused: [method: string, path: string, body: string | Buffer | undefined, status: number][] = [
    ['POST', '/register/nope', undefined, 404],
    ['POST', '/register/LOAD', undefined, 404],
    ['POST', '/register/', undefined, 404],
    ['GET', '/register/load', undefined, 405],
    ['DELETE', '/executions', undefined, 405],
    ['POST', '/nowhere', undefined, 404],
    ['POST', '/register/load', '{"params":', 400],
    ['POST', '/register/load', '[1]', 400],
    ['POST', '/register/load', '{"priority": 20}', 400],
    ['POST', '/register/load', '{"parms": {}}', 400],
    ['POST', '/register/load', Buffer.from([0x7b, 0xff, 0x7d]), 400],
    ['POST', '/register/%zz', undefined, 400],
    ['POST', '/register/%00', undefined, 400],
    ['POST', '/register/load', JSON.stringify({ input: 'x'.repeat(1 << 20) }), 413],
    ['POST', '/register/bad', undefined, 422],
    ['GET', '/executions/nope', undefined, 404],
    ['GET', '/executions?cursor=nope', undefined, 400],
  ];
  for (const [method, path, body, status] of refused) {
    const answer = await send(address, method, path, body);
    expect([method, path, answer.status, answer.type]).toEqual([
      method,
      path,
      status,
      expect.stringMatching(/^application\/json/),
    ]);
    expect(answer.body).toMatchObject(formOf(method, path));
  }
  expect((await send(address, 'POST', '/register/nope')).body).toEqual({
    status: 'failed',
    taskId: 'nope',
    description: 'no tasks registered',
  });
  const bad = (await send(address, 'POST', '/register/bad')).body as { errors: { message: string }[] };
  expect(bad.errors.map(({ message }) => message).join('\n')).toMatch(/circle|cycle/);
  expect(bad.errors.map(({ message }) => message).join('\n')).toContain('nowhere');
  expect((await database.db.pool.query('select from kr_task_stat')).rowCount).toBe(0);
  for (const path of ['/register/load', '/register/load/', '/register/a%2Fb%20c', '/register/a/b%20c/'])
    expect((await send(address, 'POST', path)).status).toBe(200);
  expect(
    (await database.db.pool.query('select task_id, count(*)::int n from kr_flow_stat group by 1 order by 1'))
      .rows,
  ).toEqual([
    { task_id: 'a/b c', n: 2 },
    { task_id: 'load', n: 2 },
  ]);
});

test('a bad request harms none of those that come with it', async () => {
  const { address } = await startRegister({ DATABASE_URL: database.url });
  const paths = Array.from({ length: 60 }, (_, at) => ['load', 'nope', 'bad'][at % 3]!);
  const statuses = await Promise.all(
    paths.map(async (flow) => (await send(address, 'POST', `/register/${flow}`)).status),
  );
  expect(statuses).toEqual(paths.map((flow) => ({ load: 200, nope: 404, bad: 422 })[flow]));
});

describe('while its own Postgres is down', () => {
  test('the server answers 503 and lives, the watcher waits, and both go on when it is back', async () => {
    const dataDir = await makeDirectory();
    await chmod(dataDir, 0o755);
    const options = { dataDir, log: silentLogger(), fast: true };
    let server = await startEmbedded(options);
    const door = await makeDoor(server.url);
    onTestFinished(() => server.stop());
    const env = { DATABASE_URL: door.url, LEASE: '60s', POLL_INTERVAL: '200ms' };
    const { address, stop } = await startRegister(env, ['--migrate', '--sample', 'http://127.0.0.1:1/']);
    const watcher = await startWatch(env);
    await umbel(
      ['sql', `INSERT INTO ms_task_definition (task_id, task_seq, program) VALUES ('one', 1, 'empty')`],
      { env },
    );
    const register = () => send(address, 'POST', '/register/one');
    const first = (await register()).body as { taskFlowId: string };
    const show = async (id: string) =>
      (await send(address, 'GET', `/executions/${id}`)).body as { data?: { status: string } };
    await until(
      () => show(first.taskFlowId),
      (shown) => shown.data?.status === 'success',
    );

    await server.stop();
    await door.shut();
    await watcher.line(/the database is away|not listening/);
    expect((await register()).status).toBe(503);
    expect((await send(address, 'GET', '/readyz')).status).toBe(503);
    expect((await send(address, 'GET', '/healthz')).status).toBe(200);

    server = await startEmbedded(options);
    await door.open(server.url);
    const answered = await until(register, ({ status }) => status === 200);
    const { taskFlowId } = answered.body as { taskFlowId: string };
    await until(
      () => show(taskFlowId),
      (shown) => shown.data?.status === 'success',
    );
    expect(await watcher.stop()).toBe(0);
    expect(await stop()).toBe(0);
    await door.shut();
  });
});
