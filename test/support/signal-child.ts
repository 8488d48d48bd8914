// A process whose orderly stop ends only when its standard input does. For the tests of signals.
import { once } from 'node:events';
import { stopOnSignals } from '../../cmd/signals.ts';

stopOnSignals(async (signal) => {
  process.stdout.write(`stopping on ${signal}\n`);
  await once(process.stdin.resume(), 'end');
});
setInterval(() => undefined, 60_000);
process.stdout.write('ready\n');
