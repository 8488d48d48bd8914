// Stand-ins for webhooks: an application without any, and flows with an open one as the life cycle leaves them.
import type { JsonObject } from '../../src/dag/vocabulary.ts';
import { UmbelError } from '../../src/errors.ts';
import type { Database } from '../../src/sql/database.ts';
import type { Hooks } from '../../src/triggers/hooks.ts';

const nobody = () => Promise.reject(new Error('no webhook stands behind this application'));

/** Webhooks of a server that has none open. */
export function makeNoHooks(): Hooks {
  return {
    known: () => undefined,
    read: (flow) => Promise.reject(new UmbelError('HOOK_CLOSED', { flow })),
    admit: () => {},
    authenticate: () => null,
    seat: () => () => {},
    start: nobody,
    waitForAnswer: nobody,
    forget: () => {},
    hear: () => {},
    count: () => {},
    look: () => ({ kept: 0, waiters: 0, outcomes: {} }),
    keepUp: () => () => {},
  };
}

/** Makes the flow active, as starting it does. */
export async function openHook(db: Database, flow: string, webhooks: JsonObject = {}): Promise<void> {
  await db.pool.query(`update ms_flow set status = 'active', settings = $2 where task_id = $1`, [
    flow,
    { flowSettings: { webhooks } },
  ]);
}

/** Makes a flow active that was defined with its settings. */
export async function startFlow(db: Database, flow: string): Promise<void> {
  await db.pool.query(`update ms_flow set status = 'active' where task_id = $1`, [flow]);
}

/** Makes the flow inactive, as stopping it does. */
export async function closeHook(db: Database, flow: string): Promise<void> {
  await db.pool.query(`update ms_flow set status = 'inactive' where task_id = $1`, [flow]);
}
