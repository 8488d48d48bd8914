// The built-in programs as tests run them: they may call servers on this machine.
import { makeBuiltinPrograms } from '../../src/programs/builtin.ts';
import { makeCallOut } from '../../src/programs/outbound.ts';

export const callOut = makeCallOut(['127.0.0.0/8', '::1']);

export const builtinPrograms = makeBuiltinPrograms(callOut);
