import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { defineFlow } from '../support/flows.ts';
import { makeDirectory, startRegister, startWatch, until } from '../support/service.ts';

const PROGRAMS = fileURLToPath(new URL('../support/programs', import.meta.url));

test('two watchers and a register server run 1,000 executions, each task once, though one watcher is stopped', async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const file = path.join(await makeDirectory(), 'marks');
  await defineFlow(
    database.db,
    'three',
    Array.from({ length: 3 }, () => ({ program: 'mark', params: { file } })),
  );
  const env = { DATABASE_URL: database.url, PROGRAMS };
  const register = await startRegister({ DATABASE_URL: database.url });
  const [first] = await Promise.all([startWatch(env), startWatch(env)]);
  const ids = new Set<string>();
  const ask = async () => {
    const answer = await fetch(`${register.address}/register/three`, { method: 'POST' });
    ids.add(((await answer.json()) as { taskFlowId: string }).taskFlowId);
  };
  const callers = Array.from({ length: 20 }, async () => {
    for (let at = 0; at < 50; at += 1) await ask();
  });
  const count = async (where: string) =>
    Number(
      (await database.db.pool.query(`select count(*)::int n from kr_task_stat where ${where}`)).rows[0].n,
    );
  await until(
    () => count('exec_status = 3'),
    (finished) => finished >= 300,
    60,
  );
  expect(await first.stop()).toBe(0);
  const stopped = await database.db.pool.query(
    `select from kr_task_stat t where exec_status = 1 and not exists (select from kr_watcher w where w.watcher_id = t.watcher_id)`,
  );
  expect(stopped.rowCount).toBe(0);
  await Promise.all(callers);
  expect(ids.size).toBe(1_000);
  await until(
    () => count('exec_status = 3'),
    (finished) => finished === 3_000,
    60,
  );
  expect(await count('exec_status = 1')).toBe(0);
  expect(await count('attempt <> 1')).toBe(0);
  const marks = (await readFile(file, 'utf8')).trimEnd().split('\n');
  expect(marks.length).toBe(3_000);
  expect(new Set(marks).size).toBe(3_000);
  expect(new Set(marks.map((mark) => mark.split(':')[0]))).toEqual(ids);
  expect(first.lines.filter((line) => /"level":[456]0/.test(line))).toEqual([]);
});
