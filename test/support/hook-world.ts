// A register server with webhooks, as `umbel register` runs it, and a watcher when one is asked for: for the tests of webhooks.
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { JsonObject } from '../../src/dag/vocabulary.ts';
import { makeApp, type App } from '../../src/http/app.ts';
import { serve, stopServing } from '../../src/http/serve.ts';
import { silentLogger } from '../../src/log.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import { openDatabase, type Database } from '../../src/sql/database.ts';
import { makeHinter } from '../../src/sql/hinter.ts';
import { HOOKS, listenForHints } from '../../src/sql/wake.ts';
import { bindHooks } from '../../src/triggers/bind-hooks.ts';
import { makeSchedules } from '../../src/triggers/schedules.ts';
import type { Hooks } from '../../src/triggers/hooks.ts';

const SECRETS: Record<string, string> = {
  shop: '12345',
  old: 'rotated-out',
  github: 'github-secret',
  'github-old': 'github-old-secret',
  standard: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
};

export interface HookServer {
  address: string;
  app: App;
  db: Database;
  hooks: Hooks;
}

/** On a pool of its own, closed when the test ends. Deaf: no word of other processes reaches it. */
export async function startHookServer(url: string, options: { deaf?: boolean } = {}): Promise<HookServer> {
  const db = openDatabase({ url, max: 4 });
  const log = silentLogger();
  const hinter = makeHinter(db, log);
  const registrar = makeRegistrar({ db, wake: (pool, priority) => hinter.hint(pool, priority) });
  const hooks = bindHooks({ db, ...registrar, findSecret: (name) => SECRETS[name], log });
  const app = await makeApp({
    ...registrar,
    hooks,
    schedules: makeSchedules(db),
    log: { warn: () => {}, error: () => {} },
  });
  const address = await serve(app, { host: '127.0.0.1', port: 0 });
  const lieDown = hooks.keepUp();
  const hear = (hint: object) => {
    if ('hook' in hint) hooks.forget(String(hint.hook));
    if ('reply' in hint) hooks.hear([String(hint.reply)]);
  };
  const stopHearing = options.deaf ? async () => {} : await listenForHints(url, hear, () => {}, HOOKS);
  onTestFinished(async () => {
    lieDown();
    await stopHearing();
    await stopServing(app, 500);
    await db.close();
  });
  return { address, app, db, hooks };
}

/** Sends a path as it stands, where fetch would tidy it up. */
export async function requestRaw(address: string, path: string, method = 'GET') {
  const [response] = (await once(request(address, { path, method }).end(), 'response')) as [IncomingMessage];
  return { status: response.statusCode, body: JSON.parse(await text(response)) as unknown };
}

/** What the executions of a flow were started with, in the order of their registration. */
export async function readInputs(db: Database, flow: string): Promise<JsonObject[]> {
  const { rows } = await db.pool.query<{ input: JsonObject }>(
    'select input from kr_flow_stat where task_id = $1 order by task_flow_id',
    [flow],
  );
  return rows.map(({ input }) => input);
}
