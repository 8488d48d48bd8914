import { describe, expect, it } from 'vitest';
import { UmbelError } from '../../../src/errors.ts';
import { judgeFailure, nameFailure } from '../../../src/registrar/failure.ts';

const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code });
async function named(cause: Error): Promise<unknown> {
  const [settled] = await Promise.allSettled([nameFailure(Promise.reject(cause))]);
  return settled.status === 'rejected' ? settled.reason : settled.value;
}

describe('nameFailure', () => {
  it('leaves results and errors of the catalogue alone', async () => {
    expect(await nameFailure(Promise.resolve(7))).toBe(7);
    const error = new UmbelError('FLOW_NOT_FOUND', { flow: 'x' });
    expect(await named(error)).toBe(error);
  });

  it.each(['ECONNREFUSED', '57P01', '08006', '53300', '28P01', '28000', '3D000'])(
    'calls %s an unreachable database, and keeps the cause',
    async (code) => {
      const cause = coded(code);
      expect(await named(cause)).toMatchObject({ code: 'DATABASE_UNREACHABLE', status: 503, cause });
    },
  );

  it('puts the blame for a value that Postgres refuses on the request', async () => {
    expect(await named(coded('22P05', 'unsupported Unicode escape sequence'))).toMatchObject({
      code: 'BODY_INVALID',
      message: expect.stringContaining('unsupported Unicode escape sequence'),
    });
  });

  it('leaves defects as they are', async () => {
    const error = new TypeError('x is undefined');
    expect(await named(error)).toBe(error);
  });
});

describe('judgeFailure', () => {
  it.each([
    ['a deadlock', coded('40P01'), 'again'],
    ['a serialization failure', coded('40001'), 'again'],
    ['a value that no type takes', coded('22P05'), 'one'],
    ['a constraint', coded('23514'), 'one'],
    ['a missing table', coded('42P01'), 'all'],
    ['a wrong password', coded('28P01'), 'all'],
    ['a defect of our own', new TypeError('x is undefined'), 'one'],
  ])('judges %s', async (_what, error, verdict) => {
    expect(judgeFailure(error)).toBe(verdict);
    expect(judgeFailure(await named(error))).toBe(verdict);
  });

  it('splits nothing while the database is away', async () => {
    expect(judgeFailure(await named(coded('ECONNREFUSED')))).toBe('all');
  });
});
