// The programs that come with the product; a new one is a file of its own and a line here.
import { echoParamTimeSleep } from './echo-param-time-sleep.ts';
import { echoRandomTimeSleep } from './echo-random-time-sleep.ts';
import { empty } from './empty.ts';
import { httpPostRequest } from './http-post-request.ts';
import { httpRequest } from './http-request.ts';
import type { Program } from './program.ts';
import { timerSleep } from './timer-sleep.ts';

export const builtinPrograms: readonly Program[] = [
  echoRandomTimeSleep,
  echoParamTimeSleep,
  httpPostRequest,
  httpRequest,
  timerSleep,
  empty,
];
