import { describe, expect, it } from 'vitest';
import type { JsonObject, Step } from '../../../src/dag/vocabulary.ts';
import { makeRegister, type RegisterRequest } from '../../../src/registrar/register.ts';
import type { StoredPlan } from '../../../src/sql/definitions.ts';
import type { Definition } from '../../../src/sql/definitions.ts';
import type { Registration, RegistrationAnswer } from '../../../src/sql/register.ts';
import { bareHead, makeStep } from '../../support/steps.ts';

/** Definitions and executions in memory, with the promises of src/sql: one statement a call, stale when the revision moved on. */
function makeStore(flows: Record<string, Step[]>, tenant = 'local') {
  const definitions = new Map<string, Definition>();
  const plans = new Map<string, StoredPlan>();
  const store = {
    reads: [] as string[][],
    batches: [] as Registration[][],
    wakes: [] as [pool: string, priority: number][],
    stored: plans,
    /** Throws to make the statement fail. */
    beforeWrite: (_batch: Registration[]): void => {},
    define(flow: string, steps: Step[]) {
      const revision = String(Number(definitions.get(flow)?.revision ?? 0) + 1);
      definitions.set(flow, { ...bareHead, flow, revision, tenant, steps });
    },
    drop: (flow: string) => definitions.delete(flow),
  };
  for (const [flow, steps] of Object.entries(flows)) store.define(flow, steps);
  const register = makeRegister({
    readDefinitions: async (wanted) => {
      store.reads.push(wanted);
      return wanted.flatMap((flow) => definitions.get(flow) ?? []);
    },
    storePlan: async (plan) => void plans.set(plan.version, plan),
    registerExecutions: async (batch) => {
      store.batches.push(batch);
      store.beforeWrite(batch);
      return batch.map((one): RegistrationAnswer => {
        const current = definitions.get(one.flow)?.revision === one.revision && plans.has(one.version);
        return { outcome: current ? 'registered' : 'stale', id: one.id };
      });
    },
    wake: (pool, priority) => store.wakes.push([pool, priority]),
  });
  const ask = (flow: string, rest: Partial<RegisterRequest> = {}) =>
    register({ flow, tenant: 'local', trigger: { kind: 'test' }, ...rest });
  return { store, ask };
}

let seq = 0;
const step = (rest: Partial<Step> = {}): Step =>
  makeStep({ seq: String((seq += 1)), dependsSeq: null, ...rest });

describe('registering', () => {
  it('makes an execution with an id of its own each time', async () => {
    const { store, ask } = makeStore({ load: [step(), step()] });
    const first = await ask('load');
    const second = await ask('load');
    expect(first.outcome).toBe('registered');
    expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
    expect(second.id > first.id).toBe(true);
    expect(store.reads).toHaveLength(1);
  });

  it('writes calls that come together in one statement, and gives each its own answer', async () => {
    const { store, ask } = makeStore({ a: [step()], b: [step()] });
    await Promise.all([ask('a'), ask('b')]);
    store.batches.length = 0;
    const ids = await Promise.all(Array.from({ length: 50 }, (_, at) => ask(at % 2 === 0 ? 'a' : 'b')));
    expect(store.batches).toHaveLength(1);
    expect(store.batches[0]?.map(({ id }) => id)).toEqual(ids.map(({ id }) => id));
    expect(store.batches[0]?.map(({ flow }) => flow).slice(0, 3)).toEqual(['a', 'b', 'a']);
  });

  it('passes on what the request says, and leaves out what it does not', async () => {
    const { store, ask } = makeStore({ load: [step({ params: { URL: 'x' } })] });
    await ask('load', { input: null, params: { URL: 'y' }, priority: -5, idempotencyKey: 'k' });
    await ask('load');
    const [full, bare] = store.batches.flat();
    expect(full).toMatchObject({
      input: null,
      params: { URL: 'y' },
      priority: -5,
      idempotencyKey: 'k',
      tenant: 'local',
    });
    expect(Object.keys(bare ?? {}).sort()).toEqual([
      'flow',
      'id',
      'revision',
      'tenant',
      'trigger',
      'version',
    ]);
  });

  it('lets a request that the database refuses harm only itself', async () => {
    const { store, ask } = makeStore({ load: [step()] });
    await ask('load');
    store.beforeWrite = (batch) => {
      if (batch.some(({ input }) => input === 'poison'))
        throw Object.assign(new Error('bad json'), { code: '22P05' });
    };
    const settled = await Promise.allSettled(
      ['a', 'poison', 'b', 'c'].map((input) => ask('load', { input })),
    );
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(settled[1]).toMatchObject({ reason: { code: 'BODY_INVALID' } });
  });

  it('says so when the database is away, without trying each request alone', async () => {
    const { store, ask } = makeStore({ load: [step()] });
    await ask('load');
    store.batches.length = 0;
    store.beforeWrite = () => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    };
    const settled = await Promise.allSettled([ask('load'), ask('load')]);
    expect(settled.map((one) => one.status === 'rejected' && one.reason.code)).toEqual([
      'DATABASE_UNREACHABLE',
      'DATABASE_UNREACHABLE',
    ]);
    expect(store.batches).toHaveLength(1);
  });

  it('tries again after a deadlock', async () => {
    const { store, ask } = makeStore({ load: [step()] });
    let deadlocks = 2;
    store.beforeWrite = () => {
      if ((deadlocks -= 1) >= 0) throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    };
    expect(await ask('load')).toMatchObject({ outcome: 'registered' });
    expect(store.batches).toHaveLength(3);
  });
});

describe('definitions', () => {
  it('reads unknown flows that are asked for together in one go, each once', async () => {
    const { store, ask } = makeStore({ a: [step()], b: [step()] });
    await Promise.all([ask('a'), ask('b'), ask('a'), ask('a')]);
    expect(store.reads).toEqual([['a', 'b']]);
    expect(store.stored.size).toBe(2);
  });

  it('refuses a flow without steps, and looks again the next time', async () => {
    const { store, ask } = makeStore({});
    await expect(ask('late')).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND', status: 404 });
    store.define('late', [step()]);
    expect(await ask('late')).toMatchObject({ outcome: 'registered' });
    expect(store.batches).toHaveLength(1);
  });

  it('refuses an invalid definition with every problem, writes nothing, and harms no neighbour', async () => {
    const { store, ask } = makeStore({
      bad: [step({ id: 'a', after: ['b'] }), step({ id: 'b', after: ['a', 'nowhere'] })],
      good: [step()],
    });
    const [bad, good] = await Promise.allSettled([ask('bad'), ask('good')]);
    expect(good.status).toBe('fulfilled');
    expect(bad).toMatchObject({ reason: { code: 'DEFINITION_INVALID', status: 422 } });
    expect((bad as PromiseRejectedResult).reason.details.problems.length).toBeGreaterThanOrEqual(2);
    expect(store.batches.flat().map(({ flow }) => flow)).toEqual(['good']);
    store.define('bad', [step()]);
    expect(await ask('bad')).toMatchObject({ outcome: 'registered' });
  });

  it('plans anew when the definition changed, and stores the plan before it is used', async () => {
    const { store, ask } = makeStore({ load: [step({ seq: '1' })] });
    await ask('load');
    store.define('load', [step({ seq: '1' }), step({ seq: '2' })]);
    expect(await ask('load')).toMatchObject({ outcome: 'registered' });
    const versions = store.batches.flat().map(({ version }) => version);
    expect(versions[1]).toBe(versions[0]);
    expect(versions[2]).not.toBe(versions[0]);
    expect(store.stored.get(versions[2] ?? '')?.tasks).toHaveLength(2);
  });

  it('gives two flows of the same steps versions of their own', async () => {
    const same = step();
    const { store, ask } = makeStore({ a: [same], b: [same] });
    await Promise.all([ask('a'), ask('b')]);
    expect(store.stored.size).toBe(2);
  });

  it('notices that a kept flow is gone', async () => {
    const { store, ask } = makeStore({ load: [step()] });
    await ask('load');
    store.drop('load');
    await expect(ask('load')).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' });
  });

  it('gives up on a definition that changes every time', async () => {
    const { store, ask } = makeStore({ load: [step()] });
    store.beforeWrite = () => store.define('load', [step()]);
    await expect(ask('load')).rejects.toMatchObject({ code: 'DEFINITION_CHANGING', status: 503 });
  });

  it('does not show the flow of another tenant', async () => {
    const { store, ask } = makeStore({ load: [step()] }, 'other');
    await expect(ask('load')).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' });
    expect(store.batches).toEqual([]);
  });
});

describe('overriding parameters', () => {
  const params: JsonObject = { SLEEP_TIME_SECOND: '3' };

  it('refuses keys that no step has, names the near ones, and writes nothing', async () => {
    const { store, ask } = makeStore({ load: [step({ params }), step({ params: { URL: '' } })] });
    const asked = ask('load', { params: { SLEEP_TIME_SECONDS: '1', zzz: 1, URL: 'x' } });
    await expect(asked).rejects.toMatchObject({
      code: 'BODY_INVALID',
      details: {
        problems: [
          {
            path: 'params.SLEEP_TIME_SECONDS',
            message: expect.stringContaining('did you mean "SLEEP_TIME_SECOND"'),
          },
          { path: 'params.zzz' },
        ],
      },
    });
    expect(store.batches).toEqual([]);
  });

  it('looks at the definition again before it refuses a key because of a kept plan', async () => {
    const { store, ask } = makeStore({ load: [step()] });
    await ask('load');
    store.define('load', [step({ params })]);
    expect(await ask('load', { params: { SLEEP_TIME_SECOND: '1' } })).toMatchObject({
      outcome: 'registered',
    });
  });
});

describe('waking', () => {
  it('names each pool once with its most urgent priority, once a statement', async () => {
    const { store, ask } = makeStore({
      a: [step({ seq: '1', priority: 3 }), step({ seq: '2', priority: -20, pool: 'late' })],
      b: [step({ seq: '1', priority: 1 }), step({ seq: '2', priority: 7, pool: 'gpu', dependsSeq: [] })],
    });
    await Promise.all([ask('a'), ask('b')]);
    expect(store.wakes).toEqual([
      ['default', 1],
      ['gpu', 7],
    ]);
  });

  it('goes by the priority of the request when it names one', async () => {
    const { store, ask } = makeStore({ a: [step()] });
    await ask('a', { priority: -7 });
    expect(store.wakes).toEqual([['default', -7]]);
  });

  it('is left out when nothing was registered', async () => {
    const { store, ask } = makeStore({ a: [step()] });
    store.beforeWrite = () => {
      throw new Error('no');
    };
    await expect(ask('a')).rejects.toThrow('no');
    expect(store.wakes).toEqual([]);
  });
});
