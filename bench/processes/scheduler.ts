// A scheduler process. Asked: `start`, `usage` (since it started), `stop`.
import { silentLogger } from '../../src/log.ts';
import { makeManyRegistrar } from '../../src/registrar/register-many.ts';
import { makeHinter } from '../../src/sql/hinter.ts';
import { makeScheduler } from '../../src/triggers/scheduler.ts';
import { probeNode } from '../probes/node.ts';
import { openPool } from '../umbel/database.ts';
import { POLL_INTERVAL_MS } from '../umbel/watching.ts';
import { answerParent, readSettings } from './parent.ts';

const { url } = readSettings() as { url: string };
const log = silentLogger();
const db = openPool(url, 'umbel bench scheduler');
const hinter = makeHinter(db, log);
const scheduler = makeScheduler({
  db,
  url,
  registrar: makeManyRegistrar(db, (pool, priority) => hinter.hint(pool, priority)),
  pollInterval: POLL_INTERVAL_MS,
  log,
});
let usage = probeNode();

answerParent({
  start: async () => {
    usage();
    usage = probeNode();
    scheduler.start();
  },
  usage: async () => usage(),
  stop: async () => {
    await scheduler.stop();
    await db.close();
  },
});
