import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { didYouMean, nearMatches } from '../../../src/dag/near.ts';

describe('near matches', () => {
  test.each([
    ['lode', ['load', 'save'], ['load']],
    ['LOAD', ['save', 'load'], ['load']],
    ['ehco', ['each', 'echo'], ['echo', 'each']],
    ['timer.slep', ['timer.sleep', 'sql.query'], ['timer.sleep']],
    ['sleep', ['timer.sleep', 'empty'], ['timer.sleep']],
    ['zebra', ['load', 'save'], []],
    ['x', ['a', 'b', 'X'], ['X']],
    ['', ['a'], []],
    ['a', [], []],
  ])('of %j among %j are %j', (name, candidates, expected) => {
    expect(nearMatches(name, candidates)).toEqual(expected);
  });

  test('are three at most, the closest first, each once', () => {
    const candidates = ['steps_xy', 'step_1', 'step', 'step_1', 'Steps', 'step_22'];
    expect(nearMatches('steps', candidates)).toEqual(['Steps', 'step', 'step_1']);
  });

  test('of a very long name are those equal but for case', () => {
    const long = 'x'.repeat(1000);
    expect(nearMatches(`${long}y`, [`${long}Y`, `${long}z`]).map((match) => match.at(-1))).toEqual(['Y']);
  });

  test('of a name with one letter dropped, doubled or two swapped include it', () => {
    const typos = fc
      .record({ name: fc.stringMatching(/^[a-z]{4,12}$/), at: fc.nat(2), kind: fc.constantFrom(0, 1, 2) })
      .map(({ name, at, kind }) => {
        const tails = [
          name.slice(at + 1),
          name.slice(at),
          `${name[at + 2] ?? ''}${name[at + 1]}${name.slice(at + 3)}`,
        ];
        return { name, typo: name.slice(0, at + (kind === 0 ? 0 : 1)) + tails[kind] };
      });
    fc.assert(
      fc.property(typos, ({ name, typo }) => {
        expect(nearMatches(typo, [name])).toEqual([name]);
      }),
    );
  });
});

describe('did you mean', () => {
  test('asks for one, two, or three', () => {
    expect(didYouMean('lode', ['load'])).toBe(' (did you mean "load"?)');
    expect(didYouMean('lode', ['load', 'node'])).toBe(' (did you mean "node" or "load"?)');
    expect(didYouMean('lode', ['load', 'node', 'code'])).toBe(' (did you mean "code", "node" or "load"?)');
  });

  test('asks nothing when nothing is close', () => {
    expect(didYouMean('zebra', ['load'])).toBe('');
  });
});
