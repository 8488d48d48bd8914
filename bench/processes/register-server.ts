// A process that serves the register API and webhooks and, when told to, watches as well: `umbel register`, or `umbel up`. Tells `start` for
// each task that begins, with the time.
import { silentLogger } from '../../src/log.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import { makeSchedules } from '../../src/triggers/schedules.ts';
import { bindHooks } from '../../src/triggers/bind-hooks.ts';
import { makeApp } from '../../src/http/app.ts';
import { serve, stopServing } from '../../src/http/serve.ts';
import { makeHinter } from '../../src/sql/hinter.ts';
import { openPool } from '../umbel/database.ts';
import { openWatching } from '../umbel/watching.ts';
import { probeNode } from '../probes/node.ts';
import { answerParent, readSettings, tell } from './parent.ts';

const { url, watch, workers } = readSettings() as { url: string; watch: boolean; workers: number };
const log = silentLogger();
const db = openPool(url, 'umbel bench register');
const watching = watch
  ? openWatching(
      { url, workers },
      ({ execution }) => tell('start', { id: execution.id, at: String(process.hrtime.bigint()) }),
      ({ ended }) => hooks.hear(ended.map(({ flow }) => flow)),
    )
  : undefined;
const hinter = makeHinter(db, log);
const wake = (pool: string, priority: number) => {
  watching?.hint(pool, priority);
  hinter.hint(pool, priority);
};
const registrar = makeRegistrar({ db, wake });
const hooks = bindHooks({ db, ...registrar, findSecret: () => undefined, log });
const lieDown = hooks.keepUp();
const app = await makeApp({ ...registrar, hooks, schedules: makeSchedules(db), log });
await watching?.start();
const address = await serve(app, { host: '127.0.0.1', port: 0 });
const usage = probeNode();

answerParent(
  {
    usage: async () => usage(),
    stop: async () => {
      lieDown();
      await stopServing(app, 1_000);
      await watching?.stop();
      await db.close();
    },
  },
  { address },
);
