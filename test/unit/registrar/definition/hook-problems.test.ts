import { describe, expect, it } from 'vitest';
import { checkFlow, checkStored } from '../../../../src/registrar/definition/check.ts';

const flow = (webhooks: object) => ({
  id: 'a',
  flowSettings: { webhooks },
  steps: [{ id: 's', program: 'empty' }],
});
const problemsOf = (webhooks: object) =>
  checkFlow(flow(webhooks)).problems.map(({ path, message }) => `${path}: ${message}`);
const hmac = { type: 'hmac', secrets: ['shop'] };

describe('a webhook', () => {
  it.each([
    {},
    { mode: 'sync', timeout: '5m', maxWaiters: 1, maxBytes: 16 << 20, rate: { limit: 1, per: '1s' } },
    { auth: { type: 'none' } },
    { auth: hmac },
    { auth: { ...hmac, header: 'x-sign', algorithm: 'sha512', encoding: 'hex' } },
    { auth: { ...hmac, preset: 'github' } },
    { auth: { ...hmac, preset: 'standard', tolerance: '1m' } },
  ])('may be %j', (webhooks) => {
    expect(problemsOf(webhooks)).toEqual([]);
  });

  const at = 'flowSettings.webhooks';
  it.each([
    [
      { auth: { type: 'bearer' } },
      `${at}.auth.type: bearer needs accounts, which this version does not have; use hmac, or none`,
    ],
    [
      { auth: { type: 'basic' } },
      `${at}.auth.type: basic needs accounts, which this version does not have; use hmac, or none`,
    ],
    [{ auth: { secrets: ['shop'] } }, `${at}.auth.type: must be hmac, or "secrets" checks nothing`],
    [{ auth: { preset: 'github' } }, `${at}.auth.type: must be hmac, or "preset" checks nothing`],
    [{ auth: { type: 'hmac' } }, `${at}.auth.secrets: hmac needs the name of at least one secret`],
    [
      { auth: { type: 'hmac', secrets: [] } },
      `${at}.auth.secrets: hmac needs the name of at least one secret`,
    ],
    [
      { auth: { ...hmac, preset: 'github', header: 'x' } },
      `${at}.auth.header: is decided by the preset "github"; leave it out`,
    ],
    [
      { auth: { ...hmac, tolerance: '5m' } },
      `${at}.auth.tolerance: only the presets stripe, slack, standard sign a time; leave it out`,
    ],
    [{ timeout: '6m' }, `${at}.timeout: must be from 1ms to 5m`],
    [{ timeout: 0 }, `${at}.timeout: must be from 1ms to 5m`],
    [{ rate: { limit: 1, per: '10ms' } }, `${at}.rate.per: must be from 1s to 1d`],
    [{ maxBytes: (16 << 20) + 1 }, `${at}.maxBytes: must be at most 16777216`],
    [{ maxWaiter: 1 }, `${at}.maxWaiter: is not known (did you mean "maxWaiters"?)`],
    [
      { auth: { ...hmac, preset: 'gitlab' } },
      `${at}.auth.preset: must be "github", "stripe", "slack" or "standard"`,
    ],
  ])('may not be %j', (webhooks, problem) => {
    expect(problemsOf(webhooks)).toContain(problem);
    const { flowSettings } = flow(webhooks);
    const stored = checkStored([], { flowSettings: structuredClone(flowSettings) as never });
    expect(stored.map(({ path, message }) => `${path}: ${message}`)).toContain(problem);
  });

  it.each([
    null,
    1,
    [],
    { flowSettings: 1 },
    { flowSettings: { webhooks: [] } },
    { flowSettings: { webhooks: { auth: 1, rate: [] } } },
  ])('of no known shape is no reason to fail: %j', (value) => {
    expect(() => checkFlow(value)).not.toThrow();
  });
});
