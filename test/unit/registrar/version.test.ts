import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { canonicalJson, hashVersion } from '../../../src/registrar/version.ts';

const json = fc.jsonValue({ depthSize: 'small' }) as fc.Arbitrary<Json>;

describe('hashVersion', () => {
  it('gives a UUID of version 8', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(hashVersion(value)).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        );
      }),
    );
  });

  it('does not depend on the order of keys, at any depth', () => {
    expect(hashVersion({ a: 1, b: { c: [{ d: 1, e: 2 }], f: null } })).toBe(
      hashVersion({ b: { f: null, c: [{ e: 2, d: 1 }] }, a: 1 }),
    );
  });

  it('depends on the order of lists, and on every value', () => {
    const versions = [{ a: [1, 2] }, { a: [2, 1] }, { a: ['1', 2] }, { a: [1, 2], b: null }].map(hashVersion);
    expect(new Set(versions).size).toBe(4);
  });
});

describe('canonicalJson', () => {
  it('is JSON of the same value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
