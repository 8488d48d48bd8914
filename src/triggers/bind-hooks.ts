// Webhooks bound to a database. Called by cmd/.
import type { Registrar } from '../registrar/registrar.ts';
import type { Database } from '../sql/database.ts';
import { readStandings } from '../sql/hook-replies.ts';
import {
  addHookCalls,
  dropOldHookCalls,
  findChangedHooks,
  forgetSeen,
  readHooks,
  rememberSeen,
} from '../sql/hooks.ts';
import { makeHooks, type Hooks, type HooksDeps } from './hooks.ts';

export interface HooksBase
  extends Pick<Registrar, 'register' | 'execute'>, Pick<HooksDeps, 'findSecret' | 'log'> {
  db: Database;
}

export function bindHooks({ db, register, execute, findSecret, log }: HooksBase): Hooks {
  return makeHooks({
    readHooks: (flows) => readHooks(db, flows),
    findChangedHooks: (kept) => findChangedHooks(db, kept),
    addHookCalls: (calls) => addHookCalls(db, calls),
    rememberSeen: (calls) => rememberSeen(db, calls),
    forgetSeen: (call) => forgetSeen(db, call),
    dropOldHookCalls: () => dropOldHookCalls(db),
    readStandings: (executions) => readStandings(db, executions),
    register,
    waitForEnd: execute.waitForEnd,
    findSecret,
    log,
  });
}
