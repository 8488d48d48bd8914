import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bell, startBell } from '../../../src/events/bell.ts';
import { startBridge } from '../../../src/events/bridge.ts';
import { type InboxDeps, makeInbox } from '../../../src/events/inbox.ts';
import { silentLogger } from '../../../src/log.ts';
import { makeRegistrar, type Registrar } from '../../../src/registrar/registrar.ts';
import { addCursor, listConsumers } from '../../../src/sql/event-cursors.ts';
import { findFlowTenant, positionBefore } from '../../../src/sql/events.ts';
import { findBrokers, type Outsider } from '../../support/brokers.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { emit, until } from '../../support/events.ts';
import { type FaultyProxy, makeFaultyProxy } from '../../support/faulty-proxy.ts';

const brokers = await findBrokers();
const log = silentLogger();
let database: TestDatabase;
let bell: Bell;
let registrar: Registrar;
beforeAll(async () => {
  database = await createDatabase();
  bell = startBell(database.url, log);
  registrar = makeRegistrar({ db: database.db, wake: () => {} });
});
afterAll(async () => {
  await bell.stop();
  await database.drop();
});

describe.skipIf(brokers.length === 0).each(brokers)('the bridge to $name', ({ url, make, join }) => {
  let service: string;
  let topic: string;
  let outsider: Outsider;
  let proxy: FaultyProxy;
  let stop: () => Promise<void>;
  beforeEach(async () => {
    await database.db.pool.query('truncate ms_event, ms_event_cursor');
    service = `test-${randomBytes(4).toString('hex')}`;
    topic = `flow.${service}`;
    outsider = await join(topic, service);
    proxy = await makeFaultyProxy(url);
  });
  afterEach(async () => {
    proxy.release();
    await stop();
    await proxy.close();
    await outsider.close();
  });

  const start = async (rest: Partial<InboxDeps> = {}) => {
    await addCursor(database.db, 'bridge', positionBefore(0n));
    const { register } = registrar;
    const findTenant = (flow: string) => findFlowTenant(database.db, flow);
    const inbox = makeInbox({ service, register, findTenant, log, ...rest });
    const broker = make({ url: proxy.url, service });
    ({ stop } = startBridge(
      { db: database.db, bell, log, service, poll: 20 },
      { name: 'bridge', broker, inbox },
    ));
  };
  const payloads = () => outsider.seen.map(({ body }) => (body as { payload: number }).payload);
  const behind = async () => (await listConsumers(database.db))[0]!.behind;

  it('publishes each event under its name, in order, with an id of its own', async () => {
    await start();
    await emit(database.db.pool, topic, 1, 2, 3);
    await until(() => outsider.seen.length === 3);
    expect(payloads()).toEqual([1, 2, 3]);
    const [{ id, name, body }] = outsider.seen as [Outsider['seen'][number]];
    const event = body as { id: string };
    expect({ id, name }).toEqual({ id: `${service}-${event.id}`, name: topic });
    expect(body).toEqual({
      id: expect.any(String),
      headers: { name: topic, createdAt: expect.any(String), serviceName: service },
      payload: 1,
    });
    await until(async () => (await behind()) === 0);
  });

  it('loses nothing while the broker is away, and keeps the order', async () => {
    await start();
    await emit(database.db.pool, topic, 1);
    await until(() => outsider.seen.length === 1);
    proxy.hold();
    proxy.drop();
    await emit(database.db.pool, topic, 2, 3, 4);
    await until(async () => (await listConsumers(database.db))[0]!.failures > 0);
    expect([payloads(), await behind()]).toEqual([[1], 3]);
    proxy.release();
    await until(() => outsider.seen.length >= 4);
    await until(async () => (await behind()) === 0);
    expect([...new Set(payloads())]).toEqual([1, 2, 3, 4]);
  });

  it('loses nothing when connections break again and again', async () => {
    await start();
    const all = Array.from({ length: 60 }, (_, n) => n);
    for (const n of all) {
      await emit(database.db.pool, topic, n);
      if (n % 20 === 10) proxy.drop();
    }
    await until(async () => (await behind()) === 0);
    await until(() => new Set(payloads()).size === all.length);
    expect([...new Set(payloads())].sort((a, b) => a - b)).toEqual(all);
  });

  /** As others say that a flow is to be executed. */
  const order = (flow: string, serviceName: string, rest: object = {}) => ({
    id: 'm-1',
    headers: { name: 'flow.executed', createdAt: new Date().toISOString(), serviceName },
    payload: { flow, input: { n: 1 }, ...rest },
  });
  const define = async () => {
    const flow = `flow-${randomBytes(4).toString('hex')}`;
    await registrar.flows.define(
      { tenant: 'local', flow },
      { id: flow, announce: true, steps: [{ id: 'a', program: 'empty' }] },
    );
    return flow;
  };
  const executions = async (flow: string) =>
    (
      await database.db.pool.query<{ input: unknown; trigger: object }>(
        'select input, trigger from kr_flow_stat where task_id = $1',
        [flow],
      )
    ).rows;

  it('executes a flow that another service says was executed, once for each message, and tells nobody of it', async () => {
    const [flow, last] = [await define(), await define()];
    await start();
    await until(async () => {
      // Until it listens: what is sent before that is not for it.
      await outsider.send('flow.executed', order(flow, 'other'), 'm-1');
      return (await executions(flow)).length > 0;
    });
    await outsider.send('flow.executed', order(flow, 'other'), 'm-1');
    await outsider.send('flow.executed', order(flow, service), 'm-2');
    await outsider.send('flow.executed', order('no-such-flow', 'other'), 'm-3');
    await outsider.send('flow.executed', 'nonsense', 'm-4');
    await outsider.send('flow.executed', { ...order(last, 'other'), id: 'm-5' }, 'm-5');
    await until(async () => (await executions(last)).length > 0);
    expect(await executions(flow)).toEqual([
      { input: { n: 1 }, trigger: { kind: 'event', service: 'other', id: 'm-1' } },
    ]);
    expect(await executions(last)).toHaveLength(1);
    const { rows } = await database.db.pool.query(`select 1 from ms_event where name = 'flow.executed'`);
    expect(rows).toEqual([]);
  });

  it('acknowledges what is stored, and gets again what could not be', async () => {
    const flow = await define();
    let fails = 1;
    await start({
      register: async (request) => {
        if (fails-- > 0) throw new Error('the database is away');
        return registrar.register(request);
      },
    });
    await until(async () => {
      if (fails > 0) await outsider.send('flow.executed', order(flow, 'other'), 'm-1');
      return (await executions(flow)).length > 0;
    });
    expect(await executions(flow)).toHaveLength(1);
  });
});
