import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { umbel } from '../support/run.ts';

let database: TestDatabase;
let dir: string;
beforeAll(async () => {
  database = await createDatabase();
  dir = await mkdtemp(path.join(tmpdir(), 'umbel-cli-'));
});
afterAll(async () => {
  await database.drop();
  await rm(dir, { recursive: true });
});

const sql = (args: string[], input = '') =>
  umbel(['sql', ...args], { env: { DATABASE_URL: database.url }, input, cwd: dir });

const insert = `INSERT INTO ms_task_definition (task_id, task_seq, program) VALUES ('cli', 1, 'empty'), ('cli', 2, 'empty');`;
const select = `SELECT task_id, task_seq FROM ms_task_definition WHERE task_id = 'cli' ORDER BY task_seq;`;
const table = [
  ' task_id | task_seq ',
  '---------+----------',
  ' cli     |        1',
  ' cli     |        2',
  '(2 rows)',
  '',
  '',
];

test('prints the result of each statement as psql does', async () => {
  const { code, stdout, stderr } = await sql([`BEGIN; ${insert} ${select} ROLLBACK;`]);
  expect(stdout).toBe(['BEGIN', 'INSERT 0 2', ...table.slice(0, -1), 'ROLLBACK', ''].join('\n'));
  expect([code, stderr]).toEqual([0, '']);
});

test('reads a file, and standard input', async () => {
  const file = path.join(dir, 'flow.sql');
  await writeFile(file, insert);
  expect(await sql(['-f', file])).toMatchObject({ code: 0, stdout: 'INSERT 0 2\n' });
  expect(await sql([], select)).toMatchObject({ code: 0, stdout: table.join('\n') });
  expect(await sql(['-f', '-'], `DELETE FROM ms_task_definition WHERE task_id = 'cli'`)).toMatchObject({
    stdout: 'DELETE 2\n',
  });
});

test('prints JSON and CSV', async () => {
  const statement = `SELECT 1 AS a, '{"b":[true]}'::jsonb AS j, 1.50::numeric AS n, NULL AS z`;
  const json = await sql(['--json', statement]);
  expect(JSON.parse(json.stdout)).toEqual([{ a: 1, j: { b: [true] }, n: '1.50', z: null }]);
  expect((await sql(['--csv', statement])).stdout).toBe('a,j,n,z\r\n1,"{""b"": [true]}",1.50,\r\n');
});

test('points at the place of an error, and changes nothing', async () => {
  const failed = await sql([], `${insert}\nSELECT 'é',\n  task_idd FROM ms_task_definition;`);
  expect(failed.code).toBe(1);
  expect(failed.stderr.split('\n').slice(0, 4)).toEqual([
    'ERROR:  column "task_idd" does not exist',
    'LINE 3:   task_idd FROM ms_task_definition;',
    '          ^',
    'HINT:  Perhaps you meant to reference the column "ms_task_definition.task_id".',
  ]);
  expect((await sql(['--csv', select])).stdout).toBe('task_id,task_seq\r\n');
});

test('prints notices on standard error', async () => {
  const { stdout, stderr } = await sql([`DO $$ BEGIN RAISE NOTICE 'half way'; END $$`]);
  expect([stdout, stderr]).toEqual(['DO\n', 'NOTICE:  half way\n']);
});

describe('without a database', () => {
  test('says what to start when no embedded one runs', async () => {
    const { code, stderr } = await umbel(['sql', 'SELECT 1'], { cwd: dir });
    expect(code).toBe(1);
    expect(stderr).toBe(
      `No embedded database runs for ${path.join(dir, '.umbel')}: start one with "umbel up", or set DATABASE_URL.\n`,
    );
  });

  test('says in one line that nobody answers', async () => {
    const env = { DATABASE_URL: 'postgres://me:s3cret@127.0.0.1:1/nowhere' };
    const { code, stderr } = await umbel(['sql', 'SELECT 1'], { env });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'Cannot reach the database me@127.0.0.1:1/nowhere: connect ECONNREFUSED 127.0.0.1:1.\n',
    );
  });

  test('reports every bad setting at once', async () => {
    const { code, stderr } = await umbel(['sql', 'SELECT 1', '--log-level', 'loud'], {
      env: { DATABASE_URL: 'mysql://s3cret' },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('DATABASE_URL: its value is not valid');
    expect(stderr).toContain('--log-level: "loud" is not valid');
    expect(stderr).not.toContain('s3cret');
  });
});

test('migrates down and up and tells where it stands', async () => {
  const fresh = await createDatabase({ empty: true });
  const migrate = (...args: string[]) =>
    umbel(['migrate', ...args], { env: { DATABASE_URL: fresh.url, LOG_LEVEL: 'silent' } });
  expect((await migrate('status')).stdout).toMatch(/^ 0001_flower_tables \| pending$/m);
  expect((await migrate('up')).stdout).toMatch(/^Migrated up: 0001_flower_tables, /);
  expect((await migrate('up')).stdout).toBe('Nothing to migrate.\n');
  expect((await migrate('status')).stdout).not.toContain('pending');
  expect((await migrate('down', '2')).stdout).toMatch(/^Migrated down: \w+, \w+\.$/m);
  expect((await migrate('down', 'all')).code).toBe(2);
  await fresh.drop();
});
