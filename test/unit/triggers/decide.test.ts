// What becomes of slots that are due. fire.test.ts has the same over a database.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, type Decision } from '../../../src/triggers/decide.ts';
import { listDue } from '../../../src/triggers/due.ts';
import { type Policy, readPolicy } from '../../../src/triggers/policy.ts';
import { findSlots } from '../../../src/triggers/slots.ts';

const MINUTE = 60_000;
const BEGIN = Date.parse('2030-01-01T00:00:00Z');

interface Backlog {
  running?: number;
  queued?: number;
  oldest?: number | null;
}

/** What is decided on a schedule of every minute, so many minutes after everything had been decided. */
function judge(said: Partial<Policy>, minutes: number, backlog: Backlog = {}) {
  const policy = { ...readPolicy(null), ...said };
  const now = BEGIN + minutes * MINUTE;
  const slots = findSlots('* * * * *', 'UTC');
  const list = listDue({ flow: 'f', slots, policy, decidedTo: BEGIN, now });
  return { list, decided: decide({ list, policy, now, running: 0, queued: 0, oldest: null, ...backlog }) };
}

const show = (decided: Decision[] | 'cancel') =>
  decided === 'cancel'
    ? decided
    : decided.map(({ slot, decision, through }) =>
        [(slot - BEGIN) / MINUTE, decision, ...(through === null ? [] : [(through - BEGIN) / MINUTE])].join(
          ' ',
        ),
      );

describe('overlap', () => {
  test('skip: of several times the first fires and the others are left out', () => {
    expect(show(judge({ overlap: 'skip', misfire: 'all' }, 3).decided)).toEqual([
      '1 fired',
      '2 skipped',
      '3 skipped',
    ]);
  });

  test('queue: of several times the first fires and the others wait', () => {
    expect(show(judge({ overlap: 'queue', misfire: 'all' }, 3).decided)).toEqual([
      '1 fired',
      '2 queued',
      '3 queued',
    ]);
  });

  test('queue: what waits longest goes first, what comes now waits behind it', () => {
    const backlog = { queued: 2, oldest: BEGIN - MINUTE };
    expect(show(judge({ overlap: 'queue' }, 1, backlog).decided)).toEqual(['-1 fired', '1 queued']);
    expect(show(judge({ overlap: 'queue' }, 1, { ...backlog, running: 1 }).decided)).toEqual(['1 queued']);
  });

  test('queue: a full one takes no more', () => {
    const backlog = { running: 1, queued: 999, oldest: BEGIN - MINUTE };
    const { decided } = judge({ overlap: 'queue', misfire: 'all' }, 2, backlog);
    expect(show(decided)).toEqual(['1 queued', '2 skipped']);
    expect(decided).toContainEqual(expect.objectContaining({ reason: '1000 times wait already' }));
  });

  test('cancel-running: of several times the last fires', () => {
    expect(show(judge({ overlap: 'cancel-running', misfire: 'all' }, 3).decided)).toEqual([
      '1 cancelled',
      '2 cancelled',
      '3 fired',
    ]);
  });

  test('cancel-running: nothing is decided before what runs is ended, and nothing is ended for a missed time', () => {
    expect(judge({ overlap: 'cancel-running' }, 1, { running: 1 }).decided).toBe('cancel');
    const late = judge({ overlap: 'cancel-running', misfire: 'none' }, 1.5, { running: 1 });
    expect(show(late.decided)).toEqual(['1 missed']);
  });
});

describe('whatever the policy', () => {
  const policies = fc.record({
    misfire: fc.constantFrom('none' as const, 'last' as const, 'all' as const),
    overlap: fc.constantFrom('allow' as const, 'skip' as const, 'queue' as const, 'cancel-running' as const),
    catchUpWindow: fc.integer({ min: 0, max: 40 }).map((minutes) => minutes * MINUTE),
    jitter: fc.constantFrom(0, 30_000, 600_000),
  });
  const minutes = fc.integer({ min: 0, max: 4_000 }).map((tenths) => tenths / 10);

  test('every time that has come is decided on once, in order, and none that has not', () => {
    fc.assert(
      fc.property(policies, minutes, (policy, minutes) => {
        const { list, decided } = judge(policy, minutes);
        if (decided === 'cancel') throw new Error('nothing runs that could be cancelled');
        const covered = decided.flatMap(({ slot, through }) => {
          const last = through ?? slot;
          return Array.from(
            { length: Math.floor((last - slot) / MINUTE) + 1 },
            (_, at) => slot + at * MINUTE,
          );
        });
        const wanted = Array.from({ length: covered.length }, (_, at) => BEGIN + (at + 1) * MINUTE);
        expect(covered).toEqual(wanted);
        const come = Math.floor(minutes) - (policy.jitter === 0 ? 0 : 1);
        expect(covered.length).toBeGreaterThanOrEqual(Math.max(0, come));
        expect(covered.length).toBeLessThanOrEqual(Math.floor(minutes));
        expect(list.next).toBeGreaterThan(BEGIN + minutes * MINUTE);
      }),
      { numRuns: 500 },
    );
  });

  test('what is on time fires when nothing runs', () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const { decided } = judge({ ...policy, jitter: 0 }, 5);
        expect(show(decided).at(-1)).toBe(
          policy.misfire === 'all' && policy.catchUpWindow >= MINUTE && policy.overlap === 'skip'
            ? '5 skipped'
            : policy.misfire === 'all' && policy.catchUpWindow >= MINUTE && policy.overlap === 'queue'
              ? '5 queued'
              : '5 fired',
        );
      }),
    );
  });
});

describe('jitter', () => {
  const dueTimes = (flow: string, jitter: number) => {
    const slots = findSlots('* * * * *', 'UTC');
    const policy = { ...readPolicy(null), jitter };
    const found: number[] = [];
    let decidedTo = BEGIN;
    while (found.length < 50) {
      const { next } = listDue({ flow, slots, policy, decidedTo, now: decidedTo });
      found.push(next!);
      decidedTo += MINUTE;
    }
    return found.map((due, at) => due - BEGIN - (at + 1) * MINUTE);
  };

  test('is the same for all who ask, and another for each flow and time', () => {
    expect(dueTimes('a', 30_000)).toEqual(dueTimes('a', 30_000));
    expect(dueTimes('a', 30_000)).not.toEqual(dueTimes('b', 30_000));
    expect(new Set(dueTimes('a', 30_000)).size).toBeGreaterThan(40);
  });

  test('stays below what is said, and never comes after the next time', () => {
    expect(Math.max(...dueTimes('a', 30_000))).toBeLessThan(30_000);
    expect(Math.min(...dueTimes('a', 30_000))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...dueTimes('a', 30_000_000))).toBeLessThan(MINUTE);
  });
});

describe('a policy', () => {
  test('has defaults for what is not said, and for what SQL wrote that makes no sense', () => {
    const defaults = { misfire: 'last', overlap: 'allow', catchUpWindow: 3_600_000, jitter: 0 };
    expect(readPolicy(null)).toEqual(defaults);
    expect(readPolicy([])).toEqual(defaults);
    expect(readPolicy({ misfire: 'some', overlap: 7, catchUpWindow: 'soon', jitter: -1 })).toEqual(defaults);
    expect(readPolicy({ misfire: 'all', overlap: 'queue', catchUpWindow: '2d', jitter: 500 })).toEqual({
      misfire: 'all',
      overlap: 'queue',
      catchUpWindow: 172_800_000,
      jitter: 500,
    });
  });
});
