import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { umbel } from '../support/run.ts';
import { makeDirectory } from '../support/service.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const run = (args: string[], input = '', cwd = process.cwd()) =>
  umbel(args, { env: { DATABASE_URL: database.url }, input, cwd });
const orders =
  'id: orders\nsteps:\n  - id: load\n    program: empty\n  - id: ship\n    program: empty\n    after:\n      - load\n';

test('defines from a file, says what changed, and exports the same text', async () => {
  const cwd = await makeDirectory();
  await writeFile(path.join(cwd, 'orders.yaml'), orders);
  const define = (text?: string) => run(['define', text === undefined ? 'orders.yaml' : '-'], text, cwd);
  expect(await define()).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^orders: created \(version \S+\)\n$/),
  });
  expect((await define()).stdout).toMatch(/^orders: unchanged \(version \S+\)\n$/);
  expect((await run(['export', 'orders'])).stdout).toBe(orders);
  const changed = await define(`${orders.replace('id: ship', 'id: mail')}maxRunning: 2\n`);
  expect(changed.stdout).toMatch(
    /^orders: changed \(version \S+\): steps added: mail; steps removed: ship; keys changed: maxRunning\n$/,
  );
});

test('lints without a database and writes nothing while there is a problem', async () => {
  const cwd = await makeDirectory();
  await writeFile(path.join(cwd, 'good.yaml'), orders.replace('orders', 'good'));
  await writeFile(path.join(cwd, 'bad.yaml'), orders.replace('- load', '- lode').replace('orders', 'bad'));
  const lint = await umbel(['lint', 'good.yaml', 'bad.yaml'], { cwd });
  expect(lint.code).toBe(1);
  expect(lint.stdout.split('\n')).toEqual([
    'good.yaml: good is fine (2 steps)',
    'bad.yaml:8:9: steps[1].after[0]: no step is called "lode" (did you mean "load"?)',
    '',
  ]);
  expect(await umbel(['lint', 'good.yaml'], { cwd })).toMatchObject({ code: 0, stderr: '' });
  const define = await run(['define', 'good.yaml', 'bad.yaml'], '', cwd);
  expect([define.code, define.stdout]).toEqual([1, '']);
  expect(define.stderr).toContain('bad.yaml:8:9: steps[1].after[0]');
  expect(await run(['export', 'good'])).toMatchObject({ code: 1, stdout: '' });
});

test('refuses a flow that stands in two files, and files that are not there', async () => {
  const cwd = await makeDirectory();
  for (const file of ['a.yaml', 'b.yaml']) await writeFile(path.join(cwd, file), orders);
  expect((await umbel(['lint', 'a.yaml', 'b.yaml'], { cwd })).stdout).toContain(
    'b.yaml:1:1: id: the flow "orders" is also defined at a.yaml:1\n',
  );
  expect(await umbel(['lint', 'c.yaml'], { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('c.yaml: ENOENT'),
  });
});
