// The programs that come with the product; a new one is a file of its own and a line here.
import { approvalWait } from './approval-wait.ts';
import { echoParamTimeSleep } from './echo-param-time-sleep.ts';
import { echoRandomTimeSleep } from './echo-random-time-sleep.ts';
import { empty } from './empty.ts';
import { flowExecute } from './flow-execute.ts';
import { makeHttpPostRequest } from './http-post-request.ts';
import { makeHttpRequest } from './http-request.ts';
import type { CallOut } from './outbound.ts';
import type { Program } from './program.ts';
import { signalWait } from './signal-wait.ts';
import { timerSleep } from './timer-sleep.ts';

/** All of them; those that call other services do so through `callOut`. */
export function makeBuiltinPrograms(callOut: CallOut): readonly Program[] {
  return [
    echoRandomTimeSleep,
    echoParamTimeSleep,
    makeHttpPostRequest(callOut),
    makeHttpRequest(callOut),
    timerSleep,
    signalWait,
    approvalWait,
    flowExecute,
    empty,
  ];
}
