// Commands that cannot start: one clear line, and an exit code that says so.
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { umbel } from '../support/run.ts';
import { makeDirectory } from '../support/service.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const quiet = { LOG_LEVEL: 'silent' };

describe.each(['up', 'register', 'watch'])('umbel %s', (command) => {
  test('names every bad setting at once, secrets excepted', async () => {
    const { code, stderr, stdout } = await umbel([command, '--data-dir', ''], {
      env: {
        DATABASE_URL: 'mysql://me:s3cret@x',
        PORT: 'http',
        WORKERS: '0',
        POLL_INTERVAL: 'soon',
        LEASE: '1ms',
      },
    });
    expect([code, stdout]).toEqual([2, '']);
    for (const name of ['DATABASE_URL', 'PORT', 'WORKERS', 'POLL_INTERVAL', 'LEASE', '--data-dir'])
      expect(stderr).toContain(`${name}: `);
    expect(stderr).not.toContain('s3cret');
  });

  test('says in one line that the database refuses it', async () => {
    const url = new URL(database.url);
    url.pathname = '/not_there';
    const { code, stderr } = await umbel([command], { env: { DATABASE_URL: url.href, PORT: '0', ...quiet } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The database \S+\/not_there refused the connection: .*"not_there".*\n$/);
  });
});

test.each(['up', 'register'])('umbel %s says in one line that the port is taken', async (command) => {
  const taken = createServer();
  await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const env = { DATABASE_URL: database.url, PORT: String(port), ...quiet };
  const { code, stderr } = await umbel([command], { env });
  taken.close();
  expect(code).toBe(1);
  expect(stderr).toBe(
    `Port ${port} on 127.0.0.1 is taken: stop what listens there, or choose another with --port or PORT.\n`,
  );
});

test('a data directory that cannot be used is named with the reason', async () => {
  const dir = await makeDirectory();
  await writeFile(path.join(dir, 'file'), '');
  const dataDir = path.join(dir, 'file', 'data');
  const { code, stderr } = await umbel(['up'], { env: { DATA_DIR: dataDir, PORT: '0', ...quiet } });
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^Cannot use the data directory \S+file\/data: .+\. Choose another with --data-dir or DATA_DIR\.\n$/,
  );
});

test('an address that lets other machines in is refused while AUTH is off, unless --insecure is given', async () => {
  const { code, stderr } = await umbel(['register', '--host', '0.0.0.0'], {
    env: { DATABASE_URL: database.url },
  });
  expect(code).toBe(2);
  expect(stderr).toContain('HOST: "0.0.0.0" lets other machines in while AUTH is off');
  const elsewhere = await umbel(['migrate', 'status'], {
    env: { DATABASE_URL: database.url, HOST: '0.0.0.0' },
  });
  expect(elsewhere.code).toBe(0);
});

test('an unknown option or command is a usage error', async () => {
  const option = await umbel(['watch', '--wrokers', '3']);
  expect([option.code, option.stderr]).toEqual([2, expect.stringContaining('Did you mean --workers?')]);
  const command = await umbel(['wtach']);
  expect([command.code, command.stderr]).toEqual([2, expect.stringContaining('Did you mean watch?')]);
});

test('programs that cannot be loaded are all named, and nothing starts', async () => {
  const dir = await makeDirectory();
  await writeFile(path.join(dir, 'broken.ts'), 'export const = 1;');
  await writeFile(path.join(dir, 'nothing.ts'), 'export const x = 1;');
  const { code, stderr } = await umbel(['watch', '--programs', dir], {
    env: { DATABASE_URL: database.url, ...quiet },
  });
  expect(code).toBe(1);
  expect(stderr).toContain('broken.ts');
  expect(stderr).toContain('nothing.ts: exports no program');
});

describe('umbel run', () => {
  const run = (...args: string[]) => umbel(['run', ...args], { env: { DATABASE_URL: database.url } });

  test('of an unknown flow, of unknown parameters, or without a value says what is wrong', async () => {
    expect(await run('nope')).toMatchObject({ code: 1, stderr: 'no tasks registered\n' });
    await database.db.pool.query(
      `insert into ms_task_definition (task_id, task_seq, program, param1_key, param1_value)
       values ('one', 1, 'EchoParamTimeSleep', 'SLEEP_TIME_SECOND', '0')`,
    );
    expect(await run('one', '--param', 'SLEEP=3')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('did you mean "SLEEP_TIME_SECOND"'),
    });
    expect(await run('one', '--param', 'SLEEP')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Write key=value.'),
    });
    expect((await database.db.pool.query('select from kr_task_stat')).rowCount).toBe(0);
  });

  test('without --wait prints the id alone; an unknown id is said to be one', async () => {
    const { code, stdout } = await run('one');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^[0-9a-f-]{36}\n$/)]);
    const env = { DATABASE_URL: database.url };
    expect(await umbel(['executions', 'show', 'nope'], { env })).toMatchObject({
      code: 1,
      stderr: 'No execution has the id "nope".\n',
    });
  });
});
