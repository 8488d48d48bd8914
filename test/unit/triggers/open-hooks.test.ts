import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeOpenHooks } from '../../../src/triggers/open-hooks.ts';

/** A table of open hooks, one clock, and a process that serves them. */
function makeWorld() {
  const rows = new Map<string, string>();
  const state = { now: 0, reads: 0, away: false };
  const hooks = makeOpenHooks({
    now: () => state.now,
    readHooks: async (flows) => {
      state.reads += 1;
      return flows
        .filter((flow) => rows.has(flow))
        .map((flow) => ({ flow, tenant: 'local', settings: null, version: rows.get(flow)! }));
    },
    findChangedHooks: async (kept) => {
      if (state.away) throw new Error('away');
      return kept.filter(({ flow, version }) => rows.get(flow) !== version).map(({ flow }) => flow);
    },
  });
  const find = async (flow: string) => hooks.known(flow) ?? (await hooks.read(flow));
  return { rows, state, hooks, find };
}

describe('the open hooks in memory', () => {
  it('are read once, however often they are called', async () => {
    const { rows, state, hooks, find } = makeWorld();
    rows.set('a', '1');
    for (let call = 0; call < 50; call += 1) {
      expect(await find('a')).toMatchObject({ flow: 'a', version: '1' });
      state.now += 300;
      await hooks.check();
    }
    expect(state.reads).toBe(1);
  });

  it('are forgotten at once when the process is told', async () => {
    const { rows, hooks, find } = makeWorld();
    rows.set('a', '1');
    await find('a');
    rows.delete('a');
    hooks.forget('a');
    expect(await find('a')).toBeUndefined();
  });

  it('are not kept when they were forgotten while they were read', async () => {
    const { rows, hooks } = makeWorld();
    rows.set('a', '1');
    const reading = hooks.read('a');
    hooks.forget('a');
    await reading;
    expect(hooks.known('a')).toBeUndefined();
  });

  it('are not trusted for longer than a second when the database does not answer', async () => {
    const { rows, state, hooks, find } = makeWorld();
    rows.set('a', '1');
    await find('a');
    state.away = true;
    state.now += 1_001;
    await hooks.check();
    expect(hooks.known('a')).toBeUndefined();
  });

  it('are let go when nobody calls them', async () => {
    const { rows, state, hooks, find } = makeWorld();
    rows.set('a', '1');
    await find('a');
    state.now += 10_001;
    await hooks.check();
    expect(hooks.count()).toBe(0);
  });

  it('never show what was changed more than a second ago, whatever happens', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constantFrom('call', 'change', 'close', 'forget'),
        flow: fc.constantFrom('a', 'b'),
      }),
      fc.record({ kind: fc.constant('wait'), ms: fc.nat(700) }),
      fc.constantFrom({ kind: 'check' }, { kind: 'away' }, { kind: 'back' }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { rows, state, hooks, find } = makeWorld();
        const changed = new Map<string, number>();
        let versions = 0;
        for (const { kind, flow = 'a', ms = 0 } of steps as { kind: string; flow?: string; ms?: number }[]) {
          if (kind === 'change') rows.set(flow, `${(versions += 1)}`);
          if (kind === 'close') rows.delete(flow);
          if (kind === 'change' || kind === 'close') changed.set(flow, state.now);
          if (kind === 'forget') hooks.forget(flow);
          if (kind === 'wait') state.now += ms;
          if (kind === 'away' || kind === 'back') state.away = kind === 'away';
          if (kind === 'check') await hooks.check();
          if (kind !== 'call') continue;
          const shown = (await find(flow))?.version;
          if (state.now - (changed.get(flow) ?? -Infinity) > 1_000) expect(shown).toBe(rows.get(flow));
        }
      }),
    );
  });
});
