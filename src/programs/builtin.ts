// The programs that come with the product; a new one is a file of its own and a line here.
import { approvalWait } from './approval-wait.ts';
import { echoParamTimeSleep } from './echo-param-time-sleep.ts';
import { echoRandomTimeSleep } from './echo-random-time-sleep.ts';
import { empty } from './empty.ts';
import { makeHookReply, type WriteReply } from './hook-reply.ts';
import { flowExecute } from './flow-execute.ts';
import { makeHttpPostRequest } from './http-post-request.ts';
import { makeHttpRequest } from './http-request.ts';
import type { FindComponent } from './component-program.ts';
import type { CallOut } from './outbound.ts';
import type { Program } from './program.ts';
import { makeRpcCall } from './rpc-call.ts';
import { signalWait } from './signal-wait.ts';
import { timerSleep } from './timer-sleep.ts';

/** What programs do in the engine's own house. */
export interface Services {
  writeReply: WriteReply;
  findComponent: FindComponent;
}

const runsNothing = () => Promise.reject(new Error('this process does not run tasks'));

/** For a process that lists programs and runs none. */
const NO_SERVICES: Services = { writeReply: runsNothing, findComponent: runsNothing };

/** All of them; those that call other services do so through `callOut`. */
export function makeBuiltinPrograms(
  callOut: CallOut,
  { writeReply, findComponent }: Services = NO_SERVICES,
): readonly Program[] {
  return [
    echoRandomTimeSleep,
    echoParamTimeSleep,
    makeHttpPostRequest(callOut),
    makeHttpRequest(callOut),
    makeRpcCall(callOut, findComponent),
    timerSleep,
    makeHookReply(writeReply),
    signalWait,
    approvalWait,
    flowExecute,
    empty,
  ];
}
