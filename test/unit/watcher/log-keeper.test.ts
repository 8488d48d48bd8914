import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { LINE_SIZE } from '../../../src/programs/log-limits.ts';
import type { Database } from '../../../src/sql/database.ts';
import { makeLogKeeper } from '../../../src/watcher/log-keeper.ts';
import { openTaskLog } from '../../../src/watcher/task-log.ts';

const gone = Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });

/** A keeper over a database that takes what it is asked for, or fails as told. */
function makeKept(fail: () => Error | undefined = () => undefined) {
  const batches: string[][] = [];
  const warned: object[] = [];
  const db = {
    pool: {
      query: async ({ values }: { values: string[][] }) => {
        const error = fail();
        if (error) throw error;
        batches.push(values[5]!);
      },
    },
  } as unknown as Database;
  const log = Object.assign(silentLogger(), { warn: (details: object) => warned.push(details) });
  const keeper = makeLogKeeper(db, log);
  const open = (seq = '1') => openTaskLog(keeper, silentLogger(), { flow: 'f', seq, attempt: 1 });
  return { keeper, batches, warned, open };
}

describe('the log of an attempt', () => {
  test('goes in one insert with all that gathered, before the attempt is recorded', async () => {
    const { keeper, batches, open } = makeKept();
    const [one, two] = [open('1'), open('2')];
    one.log.info('a');
    two.log.info('b');
    one.log.warn('c');
    await keeper.storeClosed();
    expect(batches).toEqual([]);
    one.close();
    await keeper.storeClosed();
    expect(batches).toEqual([['a', 'b', 'c']]);
  });

  test('takes nothing more once it is closed', async () => {
    const { keeper, batches, open } = makeKept();
    const { log, close } = open();
    close();
    log.info('too late');
    await keeper.end(1_000);
    expect(batches).toEqual([]);
  });

  test('keeps long lines in part, and anything that a program may call with', async () => {
    const { keeper, batches, open } = makeKept();
    const { log } = open();
    log.info('x'.repeat(LINE_SIZE + 5));
    for (const odd of [undefined, 7, new Error('no'), { toString: null }]) log.info(odd as never);
    await keeper.end(1_000);
    expect(batches[0]![0]).toContain('(5 more characters)');
    expect(batches[0]!.slice(1)).toEqual(['undefined', '7', 'Error: no', 'a value that cannot be shown']);
  });
});

describe('while the database is away', () => {
  test('lines wait, and recording does not wait for them', async () => {
    let away = true;
    const { keeper, batches, open } = makeKept(() => (away ? gone : undefined));
    const { log, close } = open();
    log.info('a');
    close();
    await keeper.storeClosed();
    expect(batches).toEqual([]);
    away = false;
    await keeper.end(1_000);
    expect(batches).toEqual([['a']]);
  });

  test('they are bounded, and how many were lost is said', async () => {
    let away = true;
    const { keeper, batches, warned, open } = makeKept(() => (away ? gone : undefined));
    const logs = Array.from({ length: 5 }, (_, at) => open(String(at)));
    for (const { log } of logs) for (let i = 0; i < 5_000; i += 1) log.info('line');
    logs.at(-1)!.close();
    away = false;
    await keeper.end(5_000);
    expect(batches.flat()).toHaveLength(20_000);
    // The line that says so finds no room either.
    expect(warned).toEqual([{ lines: 5_001 }]);
  });

  test('a process that ends gives them up in time', async () => {
    const { keeper, warned, open } = makeKept(() => gone);
    open().log.info('a');
    await keeper.end(1_000);
    expect(warned).toEqual([{ lines: 1 }]);
  });
});
