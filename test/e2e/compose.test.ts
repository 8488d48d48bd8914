// The compose stack for real: with the command that COMPOSE names, else `docker compose` when an engine answers.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { findFreePort, until } from '../support/service.ts';

const command = process.env.COMPOSE || (hasDocker() ? 'docker compose' : undefined);
if (command === undefined)
  process.stderr.write('No COMPOSE is named and no Docker engine answers: the compose stack is not tried.\n');

function hasDocker(): boolean {
  return (
    spawnSync('docker', ['compose', 'version']).status === 0 && spawnSync('docker', ['info']).status === 0
  );
}

/** Runs the compose command of this checkout; throws what it printed when it fails. */
async function compose(port: number, ...args: string[]): Promise<string> {
  const env = { ...process.env, PORT: String(port), COMPOSE_PROJECT_NAME: `umbel-test-${port}` };
  const child = spawn('sh', ['-c', `exec ${command} "$@"`, 'sh', '-p', env.COMPOSE_PROJECT_NAME, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

test.skipIf(command === undefined)(
  'the stack starts in any order, serves on loopback alone and runs the sample flow to Finish, not as root',
  async () => {
    const port = await findFreePort();
    onTestFinished(() => compose(port, 'down', '-v').then(() => undefined), 120_000);
    await compose(port, 'up', '-d', '--build');
    const address = `http://127.0.0.1:${port}`;
    const get = async (path: string) => fetch(address + path).catch(() => undefined);
    await until(
      () => get('/readyz'),
      (answer) => answer?.status === 200,
      120,
    );
    const started = await fetch(`${address}/register/example`, { method: 'POST' });
    const { taskFlowId } = (await started.json()) as { taskFlowId: string };
    const show = async () =>
      (
        (await (await get(`/executions/${taskFlowId}`))!.json()) as {
          data: { status: string; tasks: { execStatus: number }[] };
        }
      ).data;
    const shown = await until(show, ({ status }) => status === 'success' || status === 'failed', 60);
    expect(shown.tasks.map(({ execStatus }) => execStatus)).toEqual([3, 3, 3]);
    for (const service of ['register', 'watcher'])
      expect(await compose(port, 'exec', '-T', service, 'id', '-u')).toMatch(/^1000$/m);
    const table = await compose(
      port,
      'exec',
      '-T',
      'register',
      'node',
      '/app/cmd/umbel.js',
      'sql',
      '--csv',
      'SELECT exec_status FROM kr_task_stat',
    );
    expect(table).toContain('exec_status\r\n3\r\n3\r\n3\r\n');
    await compose(port, 'stop', 'watcher');
    const rows = await compose(
      port,
      'exec',
      '-T',
      'register',
      'node',
      '/app/cmd/umbel.js',
      'sql',
      '--csv',
      'SELECT count(*) AS watchers FROM kr_watcher',
    );
    expect(rows).toContain('watchers\r\n0\r\n');
  },
  600_000,
);
