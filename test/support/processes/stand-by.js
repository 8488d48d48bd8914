// A component's process for tests that stands by: counts its messages, and fails, hangs or ends when they say so.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

let messages = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { data, fields } = JSON.parse(line);
  messages += 1;
  if (fields.end) process.exit(3);
  if (fields.hang) {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    process.stderr.write(`${process.pid} ${child.pid}`);
    continue;
  }
  const answer = fields.fail
    ? { error: { name: 'Refused', message: 'no' } }
    : { data, messages, pid: process.pid };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
