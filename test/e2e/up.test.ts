import { chmod } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { umbel } from '../support/run.ts';
import { makeDirectory, startUp, until } from '../support/service.ts';

test('umbel up from nothing runs the sample flow to Finish, and every command finds its database', async () => {
  const dir = await makeDirectory();
  await chmod(dir, 0o755);
  const dataDir = path.join(dir, 'data');
  const up = await startUp(dataDir);
  expect(up.lines.at(-1)).toBe(`Try it:  curl -X POST ${up.address}/register/example`);
  const env = { DATA_DIR: dataDir };

  const answer = await fetch(`${up.address}/register/example`, { method: 'POST' });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    expect.stringMatching(/^application\/json/),
  ]);
  const body = (await answer.json()) as { taskFlowId: string };
  expect(body).toEqual({ status: 'succeeded', taskId: 'example', taskFlowId: expect.any(String) });

  const ran = await umbel(['run', 'example', '--wait', '--param', 'SLEEP_TIME_SECOND=0'], { env });
  expect(ran.code).toBe(0);
  expect(ran.stdout).toMatch(/ {2}example {2}success\n[^]*✓ 3 HTTPPostRequest {2}finish/);
  expect(ran.stderr).toContain('▸ 1 EchoRandomTimeSleep');

  const shown = await until(
    () => umbel(['executions', 'show', body.taskFlowId, '--json'], { env }),
    ({ stdout }) => (JSON.parse(stdout) as { status: string }).status === 'success',
  );
  const { tasks } = JSON.parse(shown.stdout) as { tasks: { execStatus: number; output: unknown }[] };
  expect(tasks.map(({ execStatus }) => execStatus)).toEqual([3, 3, 3]);
  expect(tasks[2]!.output).toMatchObject({ status: 200, body: { method: 'POST', body: { id: 'test' } } });

  const sql = await umbel(
    [
      'sql',
      `SELECT task_exec_seq, depends_task_exec_seq, task_seq, exec_status, parameters FROM kr_task_stat
             WHERE task_flow_id = '${body.taskFlowId}' ORDER BY 1`,
    ],
    { env },
  );
  expect(
    sql.stdout
      .split('\n')
      .slice(2, 5)
      .map((line) => line.split('|').map((cell) => cell.trim())),
  ).toEqual([
    ['1', '-1', '1', '3', '{}'],
    ['2', '1', '2', '3', '{"SLEEP_TIME_SECOND":"3"}'],
    ['3', '2', '3', '3', expect.stringContaining('"BODY":"{\\"id\\": \\"test\\"}"')],
  ]);

  const ls = await umbel(['executions', 'ls', '--flow', 'example', '--status', 'success'], { env });
  expect(ls.stdout).toContain('(2 rows)');
  const programs = await umbel(['programs'], { env });
  for (const name of [
    'EchoRandomTimeSleep',
    'EchoParamTimeSleep',
    'HTTPPostRequest',
    'http.request',
    'empty',
  ])
    expect(programs.stdout).toContain(` ${name} `);
  const status = await umbel(['migrate', 'status'], { env });
  expect([status.code, status.stdout.includes('pending')]).toEqual([0, false]);

  expect(await up.stop()).toBe(0);
  expect(await umbel(['sql', 'SELECT 1'], { env })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('No embedded database runs for'),
  });
});

test('umbel up keeps what it has: a second start finds the first one’s rows and puts no sample in', async () => {
  const dir = await makeDirectory();
  await chmod(dir, 0o755);
  const first = await startUp(dir);
  expect(first.lines).toContain('The flow "example" was put in the empty database.');
  const env = { DATA_DIR: dir };
  await umbel(
    ['sql', `UPDATE ms_task_definition SET program = 'empty', param1_key = NULL, param2_key = NULL`],
    { env },
  );
  expect((await umbel(['run', 'example', '-w'], { env })).code).toBe(0);
  expect(await first.stop('SIGINT')).toBe(0);
  const second = await startUp(dir);
  expect(second.lines).not.toContain('The flow "example" was put in the empty database.');
  const executions = (await (await fetch(`${second.address}/executions`)).json()) as { data: unknown[] };
  expect(executions.data).toMatchObject([{ flow: 'example', status: 'success' }]);
  expect(await second.stop()).toBe(0);
});

test('the server has a page of documentation and its description', async () => {
  const dir = await makeDirectory();
  await chmod(dir, 0o755);
  const up = await startUp(dir);
  const page = await fetch(`${up.address}/docs`);
  expect([page.status, (await page.text()).includes('swagger-ui')]).toEqual([200, true]);
  const described = (await (await fetch(`${up.address}/openapi.json`)).json()) as { paths: object };
  expect(Object.keys(described.paths)).toEqual(
    expect.arrayContaining(['/register/{task_id}', '/executions', '/executions/{id}', '/healthz', '/readyz']),
  );
  expect(await (await fetch(`${up.address}/readyz`)).json()).toEqual({ status: 'ok' });
  expect(await up.stop()).toBe(0);
});
