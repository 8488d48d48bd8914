// Flower's first sample program: takes some seconds to do nothing.
import { defineProgram } from './program.ts';
import { sleep } from './sleep.ts';

export const echoRandomTimeSleep = defineProgram({
  name: 'EchoRandomTimeSleep',
  description: 'Sleeps 1 to 5 whole seconds, chosen at random.',
  async run({ signal, log }) {
    const seconds = 1 + Math.floor(Math.random() * 5);
    log.info(`sleeping ${seconds} s`);
    await sleep(seconds * 1000, signal);
    return { seconds };
  },
});
