// Flower's second sample program: sleeps as long as it is told.
import { Type } from 'typebox';
import { defineProgram } from './program.ts';
import { sleep } from './sleep.ts';

export const echoParamTimeSleep = defineProgram({
  name: 'EchoParamTimeSleep',
  description: 'Sleeps the given number of seconds.',
  params: Type.Object(
    {
      SLEEP_TIME_SECOND: Type.Integer({
        description: 'Seconds to sleep, a whole number; 0 or less returns at once.',
      }),
    },
    { additionalProperties: false },
  ),
  async run({ params, signal, log }) {
    const seconds = params.SLEEP_TIME_SECOND;
    log.info(`sleeping ${seconds} s`);
    await sleep(seconds * 1000, signal);
    return { seconds };
  },
});
