// The whole application over a database, with nothing running beside it; `rest` replaces parts.
import { type App, type AppDeps, makeApp } from '../../src/http/app.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import type { Database } from '../../src/sql/database.ts';
import { makeSchedules } from '../../src/triggers/schedules.ts';
import { makeNoHooks } from './hooks.ts';

export function makeWholeApp(db: Database, rest: Partial<AppDeps> = {}): Promise<App> {
  return makeApp({
    ...makeRegistrar({ db, wake: () => {} }),
    schedules: makeSchedules(db),
    hooks: makeNoHooks(),
    log: { warn: () => {}, error: () => {} },
    ...rest,
  });
}
