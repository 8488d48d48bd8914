// How a watcher starts what its programs ask for: through a registrar, which it may not know itself and which is loaded when it is needed.
// Called by watching.ts.
import type { Registrar } from '../src/registrar/registrar.ts';
import { makeHinter } from '../src/sql/hinter.ts';
import type { StartExecution } from '../src/watcher/children.ts';
import type { Watcher } from '../src/watcher/watcher.ts';
import type { Base } from './service.ts';

/** `wakeOwn` is told of what is ready, besides the other processes. */
export function makeStarter({ db, log }: Base, wakeOwn: Watcher['hint']): StartExecution {
  const hinter = makeHinter(db, log);
  const wake = (pool: string, priority: number) => {
    wakeOwn(pool, priority);
    hinter.hint(pool, priority);
  };
  let loaded: Promise<Registrar> | undefined;
  return async (request) => {
    loaded ??= import('../src/registrar/registrar.ts').then(({ makeRegistrar }) =>
      makeRegistrar({ db, wake }),
    );
    return (await loaded).register(request);
  };
}
