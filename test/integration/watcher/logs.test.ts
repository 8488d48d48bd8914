import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOG_LINES } from '../../../src/programs/log-limits.ts';
import { defineProgram } from '../../../src/programs/program.ts';
import { RetryAfter } from '../../../src/programs/program-error.ts';
import { pruneExecutions } from '../../../src/sql/prune.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { defineFlow, makeTestRegistrar, type Registering, untilStatuses } from '../../support/flows.ts';
import { makeProbe } from '../../support/probe.ts';
import { startWatcher, stopWatchers } from '../../support/watcher.ts';

let database: TestDatabase;
let registrar: Registering;
beforeEach(async () => {
  database = await createDatabase();
  registrar = makeTestRegistrar(database.db);
});
afterEach(async () => {
  await stopWatchers();
  await database.drop();
});

const query = async (text: string, values: unknown[] = []) =>
  (await database.db.pool.query<Record<string, unknown>>(text, values)).rows;
const read = (
  id: string,
  step: string,
  rest: { level?: 'warn'; cursor?: string; limit?: number } = {},
  wait = 0,
) => registrar.logs.readTask({ tenant: 'local', id, step, limit: 500, ...rest }, wait);
const messages = async (id: string, step: string) =>
  (await read(id, step)).data.map(({ message }) => message);

const talker = defineProgram({
  name: 'talker',
  description: 'Says what it does, and does it twice.',
  run({ log, attempt }) {
    log.info(`try ${attempt}`, { attempt });
    if (attempt === 1) throw new RetryAfter(1, 'not yet');
    log.error('bad\0 news');
    log.debug('fine print');
  },
});

describe('what a program logs', () => {
  test('is there when its task has ended, with level, attempt and time, of every attempt', async () => {
    await startWatcher(database.url, [talker]);
    await query(
      `insert into ms_task_definition (task_id, task_seq, program, options) values ('talk', 1, 'talker', '{"retry": 1}')`,
    );
    const id = await registrar.start('talk');
    await untilStatuses(database.db, id, [3]);
    const { data } = await read(id, '1');
    expect(data).toMatchObject([
      { level: 'info', attempt: 1, message: 'try 1', fields: { attempt: 1 } },
      { level: 'info', attempt: 2, message: 'try 2', fields: { attempt: 2 } },
      { level: 'error', attempt: 2, message: 'bad\uFFFD news', fields: null },
      { level: 'debug', attempt: 2, message: 'fine print', fields: null },
    ]);
    for (const { time } of data) expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(3_600_000);
    expect((await read(id, '1', { level: 'warn' })).data).toMatchObject([{ level: 'error' }]);
  });

  test('is stored while it runs, for who waits for it, and ends with the task', async () => {
    const probe = makeProbe();
    await startWatcher(database.url, [probe.program]);
    await defineFlow(database.db, 'long', [{ program: 'probe' }]);
    const id = await registrar.start('long');
    const run = await probe.next();
    const first = read(id, '1', {}, 20_000);
    run.context.log.info('half way');
    const { cursor, done, data } = await first;
    expect([data.map(({ message }) => message), done]).toEqual([['half way'], false]);
    const next = read(id, '1', { cursor: cursor! }, 20_000);
    run.finish();
    expect(await next).toEqual({ data: [], cursor, done: true });
  });

  test('is read page by page', async () => {
    const counter = defineProgram({
      name: 'counter',
      description: '',
      run: ({ log }) => [1, 2, 3, 4, 5].forEach((n) => log.info(`line ${n}`)),
    });
    await startWatcher(database.url, [counter]);
    await defineFlow(database.db, 'count', [{ program: 'counter' }]);
    const id = await registrar.start('count');
    await untilStatuses(database.db, id, [3]);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await read(id, '1', { limit: 2, ...(cursor ? { cursor } : {}) });
      pages.push(page.data.map(({ message }) => message));
      expect(page.done && pages.length < 3).toBe(false);
      cursor = page.cursor;
    } while (pages.at(-1)!.length === 2);
    expect(pages).toEqual([['line 1', 'line 2'], ['line 3', 'line 4'], ['line 5']]);
  });

  test('is cut off when it is a million lines, which holds up nobody', async () => {
    const flood = defineProgram({
      name: 'flood',
      description: '',
      run({ log }) {
        for (let i = 1; i <= 1_000_000; i += 1) log.info(`line ${i}`);
      },
    });
    await startWatcher(database.url, [flood], { lease: 3_000 });
    await defineFlow(database.db, 'flood', [{ program: 'flood' }, { program: 'empty' }]);
    const id = await registrar.start('flood');
    await untilStatuses(database.db, id, [3, 3]);
    await stopWatchers();
    const [{ lines, last }] = (await query(
      `select count(*)::int lines, (array_agg(message order by line_no desc))[1] last from kr_task_log where task_flow_id = $1`,
      [id],
    )) as [{ lines: number; last: string }];
    expect(lines).toBe(LOG_LINES);
    expect(last).toContain(`${1_000_000 - LOG_LINES + 1} more lines were not kept`);
    expect(await query('select lost from kr_task_stat where lost > 0')).toEqual([]);
  });

  test('fails no task when it cannot be stored', async () => {
    await query('alter table kr_task_log rename to elsewhere');
    const { logged } = await startWatcher(database.url, [talker]);
    await defineFlow(database.db, 'talk', [{ program: 'empty' }]);
    await query(
      `update ms_task_definition set program = 'talker', options = '{"retry": 1}' where task_id = 'talk'`,
    );
    const id = await registrar.start('talk');
    await untilStatuses(database.db, id, [3]);
    await stopWatchers();
    expect(logged.some(({ msg }) => /programs logged could not be stored/.test(msg))).toBe(true);
    await query('alter table elsewhere rename to kr_task_log');
  });
});

describe('the lines of a task', () => {
  const once = defineProgram({ name: 'once', description: '', run: ({ log }) => log.info('here') });
  let id: string;
  beforeEach(async () => {
    await startWatcher(database.url, [once]);
    await defineFlow(database.db, 'f', [{ program: 'once' }, { program: 'once' }]);
    id = await registrar.start('f');
    await untilStatuses(database.db, id, [3, 3]);
  });
  const count = async () => (await query('select from kr_task_log')).length;

  test('go when it is deleted by hand', async () => {
    await query('delete from kr_task_stat where task_exec_seq = 1');
    expect([await count(), await messages(id, '2')]).toEqual([1, ['here']]);
    await query('delete from kr_task_stat');
    expect(await count()).toBe(0);
  });

  test('go with all tasks', async () => {
    await query('truncate kr_task_stat');
    expect(await count()).toBe(0);
  });

  test('go when its execution is pruned', async () => {
    await query(
      `update kr_flow_stat set finished_ts = now() - interval '2 days', registered_ts = now() - interval '3 days'`,
    );
    await pruneExecutions(database.db, { olderThan: 86_400_000, flow: null, restShare: 0 });
    expect(await count()).toBe(0);
  });

  test('are read over all executions of its flow, the newest first', async () => {
    const later = await registrar.start('f');
    await untilStatuses(database.db, later, [3, 3]);
    await query(`update kr_task_log set message = 'later' where task_flow_id = $1`, [later]);
    const of = { tenant: 'local', flow: 'f', step: '2' };
    const first = await registrar.logs.readStep({ ...of, limit: 1 });
    expect(first.data).toEqual([{ timestamp: expect.stringMatching(/^\d{4}-.*Z$/), message: 'later' }]);
    const second = await registrar.logs.readStep({ ...of, limit: 1, cursor: first.cursor });
    expect(second).toEqual({ data: [{ timestamp: expect.any(String), message: 'here' }] });
  });

  test('are not for others', async () => {
    const foreign = { tenant: 'other', id, step: '1' };
    await expect(registrar.logs.readTask(foreign)).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' });
    await expect(read(id, '9')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    await expect(read(id, '1', { cursor: 'x' })).rejects.toMatchObject({ code: 'QUERY_INVALID' });
    const unknown = { tenant: 'other', flow: 'f', step: '1' };
    await expect(registrar.logs.readStep(unknown)).rejects.toMatchObject({ code: 'STEP_NOT_FOUND' });
  });
});
