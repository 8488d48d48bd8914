import { expect, onTestFinished, test } from 'vitest';
import type { Finding } from '../../src/registrar/finding.ts';
import { createDatabase } from '../support/database.ts';
import { umbel } from '../support/run.ts';
import { startRegister, startService, startWatch } from '../support/service.ts';

async function prepare() {
  const database = await createDatabase();
  onTestFinished(database.drop);
  return { database, env: { DATABASE_URL: database.url } };
}

test('umbel prune says how many it would delete, then deletes them', async () => {
  const { database, env } = await prepare();
  await database.db.pool.query(
    `insert into kr_flow_stat (task_flow_id, task_id, flow_status, registered_ts, finished_ts) values
       ('old', 'f', 'success', now() - interval '9 days', now() - interval '8 days'), ('new', 'f', 'success', now() - interval '9 days', now())`,
  );
  const dry = await umbel(['prune', '--older-than', '7d', '--dry-run'], { env });
  expect(dry).toMatchObject({ code: 0, stdout: 'Would delete 1 executions with 0 tasks.\n' });
  const real = await umbel(['prune', '--older-than', '7d'], { env });
  expect(real).toMatchObject({ code: 0, stdout: 'Deleted 1 executions with 0 tasks.\n' });
  const { rows } = await database.db.pool.query('select task_flow_id id from kr_flow_stat');
  expect(rows).toEqual([{ id: 'new' }]);
});

test('umbel prune needs an age, and one that makes sense', async () => {
  expect((await umbel(['prune'])).code).toBe(2);
  const bad = await umbel(['prune', '--older-than', 'long']);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toContain('--older-than: "long" is not valid');
});

test('umbel doctor goes from problem to all is well as the parts are started', async () => {
  const { env } = await prepare();
  const examine = async (more: Record<string, string> = {}) => {
    const { code, stdout } = await umbel(['doctor', '--json'], { env: { ...env, ...more } });
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const checks = findings
      .filter(({ what }) => !what.startsWith("The server's setting"))
      .map(({ check }) => check);
    return { code, checks };
  };
  expect(await examine()).toEqual({ code: 1, checks: ['watchers'] });
  await startWatch(env);
  expect((await examine()).checks).toEqual([]);
  expect((await examine({ PUBLIC_URL: 'http://127.0.0.1:1' })).checks).toEqual(['register']);
  const { address } = await startRegister(env);
  expect((await examine({ PUBLIC_URL: address })).checks).toEqual([]);
});

test('umbel watch serves its metrics on a port of its own, the register server beside its routes', async () => {
  const { env } = await prepare();
  const watcher = startService(['watch', '--metrics-port', '0'], env);
  const said = JSON.parse(await watcher.line(/"msg":"serving metrics"/)) as { address: string };
  const own = await (await fetch(said.address)).text();
  expect(own).toMatch(/^umbel_slots 10$/m);
  const register = await startRegister(env);
  const answer = await fetch(`${register.address}/metrics`);
  expect(answer.headers.get('content-type')).toContain('text/plain');
  expect(await answer.text()).toMatch(/^umbel_database_connections \d/m);
  expect(await watcher.stop()).toBe(0);
});
