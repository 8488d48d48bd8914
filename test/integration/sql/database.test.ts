import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { checkDatabase, openDatabase } from '../../../src/sql/database.ts';
import { isRetryable, isUnreachable } from '../../../src/sql/failures.ts';
import { waitForDatabase } from '../../../src/sql/wait.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Ends the connections of a pool from outside, as a restart of the server does. */
async function endConnections(applicationName: string): Promise<void> {
  await database.db.pool.query(
    'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1',
    [applicationName],
  );
}

test('keeps numbers that JavaScript would round as text, and parses JSON', async () => {
  const { rows } = await database.db.pool.query(`SELECT 1.10::numeric AS n, 9007199254740993::int8 AS i,
    '{1.10,9007199254740993}'::numeric[] AS ns, '{"a": [1]}'::json AS j, '[null]'::jsonb AS jb, 7::int4 AS k, true AS b`);
  expect(rows).toEqual([
    {
      n: '1.10',
      i: '9007199254740993',
      ns: ['1.10', '9007199254740993'],
      j: { a: [1] },
      jb: [null],
      k: 7,
      b: true,
    },
  ]);
});

test('lives on when the server ends its connections, idle and lent out', async () => {
  const db = openDatabase({ url: database.url, max: 2, applicationName: 'umbel doomed' });
  const held = await db.pool.connect();
  await db.kysely.executeQuery(sql`SELECT 1`.compile(db.kysely));
  await endConnections('umbel doomed');
  expect(isUnreachable(await failureOf(held.query('SELECT 1')))).toBe(true);
  held.release(true);
  await expect(checkDatabase(db)).resolves.toBeUndefined();
  await db.close();
});

test('tells an ended transaction from an error of its own', async () => {
  const db = openDatabase({ url: database.url, applicationName: 'umbel ended' });
  const ended = failureOf(db.pool.query('SELECT pg_sleep(30)'));
  await expect
    .poll(
      async () =>
        (await database.db.pool.query(`SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)'`))
          .rowCount,
    )
    .toBe(1);
  await endConnections('umbel ended');
  expect(await ended).toMatchObject({ code: '57P01' });
  expect(isUnreachable(await ended)).toBe(true);
  expect(isUnreachable(await failureOf(db.pool.query('SELECT 1/0')))).toBe(false);
  await db.close();
});

test('calls a deadlock retryable and a division by zero not', async () => {
  const raise = (state: string) =>
    failureOf(database.db.pool.query(`DO $$ BEGIN RAISE SQLSTATE '${state}'; END $$`));
  const states = ['40P01', '40001', '55P03', '22012', '57P01'];
  const answers = await Promise.all(states.map(async (state) => isRetryable(await raise(state))));
  expect(answers).toEqual([true, true, true, false, false]);
});

test('finds a network error behind a cause and among several', () => {
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  expect(isUnreachable(new Error('outer', { cause: refused }))).toBe(true);
  expect(isUnreachable(new AggregateError([new Error('x'), refused]))).toBe(true);
  expect(isUnreachable(new Error('outer', { cause: new Error('inner') }))).toBe(false);
});

test('waits for a server that answers later', async () => {
  const target = new URL(database.url);
  const relay = createServer((socket) => relayTo(Number(target.port), socket));
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
  const url = new URL(database.url);
  url.port = String(port);
  const db = openDatabase({ url: url.href });
  expect(await failureOf(checkDatabase(db))).toMatchObject({ code: 'DATABASE_UNREACHABLE', status: 503 });
  const waiting = waitForDatabase(db, { timeout: 20_000, log: silentLogger() });
  relay.listen(port, '127.0.0.1');
  await expect(waiting).resolves.toBeUndefined();
  await db.close();
  relay.close();
});

test('does not wait for a database that does not exist', async () => {
  const url = new URL(database.url);
  url.pathname = '/no_such_database';
  const db = openDatabase({ url: url.href });
  expect(await failureOf(waitForDatabase(db, { timeout: 20_000, log: silentLogger() }))).toMatchObject({
    code: 'DATABASE_REFUSED',
    message: expect.stringContaining('no_such_database'),
  });
  await db.close();
});

function relayTo(port: number, socket: Socket): void {
  const upstream = connect(port, '127.0.0.1');
  socket.pipe(upstream).pipe(socket);
  for (const end of [socket, upstream]) end.on('error', () => end.destroy());
}
