import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

async function startChild() {
  const script = fileURLToPath(new URL('../support/signal-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  expect(await nextLine()).toBe('ready');
  return { child, nextLine, exited: once(child, 'exit') };
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s waits for the orderly stop and ends with 0', async (signal) => {
  const { child, nextLine, exited } = await startChild();
  child.kill(signal);
  expect(await nextLine()).toBe(`stopping on ${signal}`);
  child.stdin.end();
  expect(await exited).toEqual([0, null]);
});

test('a second signal ends the process at once', async () => {
  const { child, nextLine, exited } = await startChild();
  child.kill('SIGINT');
  await nextLine();
  child.kill('SIGTERM');
  expect(await exited).toEqual([143, null]);
});
