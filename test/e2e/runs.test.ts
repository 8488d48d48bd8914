import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UmbelClient } from '../../src/client/client.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { defineFlow, makeTestRegistrar, untilStatuses } from '../support/flows.ts';
import { umbel } from '../support/run.ts';
import { makeDirectory, startRegister, startService, startWatch } from '../support/service.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const TALKER = `
  import { defineProgram } from 'umbel';
  const run = ({ log }) => { log.info('hello', { n: 1 }); log.warn('careful'); };
  export const here = defineProgram({ name: 'here', description: 'Talks.', run });
  export const apart = defineProgram({ name: 'apart', description: 'Talks in a thread.', isolate: true, run });
`;

test('a flow in a file runs without being stored', async () => {
  const file = path.join(await makeDirectory(), 'flow.yaml');
  await writeFile(file, 'id: mine\nsteps:\n  - {id: one, program: empty}\n');
  const env = { DATABASE_URL: database.url, LOG_LEVEL: 'silent' };
  await startWatch({ DATABASE_URL: database.url });
  const ran = await umbel(['run', '-f', file, '--wait'], { env });
  expect(ran.stdout).toMatch(/ {2}adhoc {2}success\n/);
  expect(await umbel(['run', 'mine'], { env })).toMatchObject({ code: 1 });
  await writeFile(file, 'id: mine\nsteps:\n  - {id: one, program: empty, after: [two]}\n');
  expect((await umbel(['run', '-f', file], { env })).stderr).toContain('no step is called "two"');
  expect(await umbel(['run', 'mine', '-f', file], { env })).toMatchObject({ code: 2 });
});

test('what programs log is read from the command line, over HTTP and as it comes', async () => {
  const programs = await makeDirectory();
  await writeFile(path.join(programs, 'talker.mjs'), TALKER);
  const env = { DATABASE_URL: database.url };
  await defineFlow(database.db, 'talk', [{ program: 'here' }, { program: 'apart' }]);
  const id = await makeTestRegistrar(database.db).start('talk');
  const follower = startService(['logs', id, '-f'], { ...env, LOG_LEVEL: 'silent' });
  await startWatch(env, ['--programs', programs]);
  await untilStatuses(database.db, id, [3, 3]);
  expect(await follower.exited).toBe(0);
  const lines = ['info  1: hello {"n":1}', 'warn  1: careful', 'info  2: hello {"n":1}', 'warn  2: careful'];
  expect(follower.lines.map((line) => line.replace(/^\S+ /, ''))).toEqual(lines);

  const one = await umbel(['logs', id, '2', '--level', 'warn'], { env });
  expect(one.stdout).toMatch(/^\S+ warn {2}careful\n$/);

  const client = new UmbelClient({ url: (await startRegister(env)).address });
  expect(await client.executions.logs(id, '2', { limit: 1 })).toMatchObject({
    lines: [{ level: 'info', attempt: 1, message: 'hello', fields: { n: 1 } }],
    cursor: '1.1',
    done: false,
  });
});
