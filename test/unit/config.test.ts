import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import { expect, test } from 'vitest';
import { SETTINGS, type SettingName } from '../../src/config.ts';
import { isLoopback, readSettings, type SettingSources } from '../../src/config-read.ts';
import { isUmbelError } from '../../src/errors.ts';
import { formatSettingRow } from '../support/settings-page.ts';

const read = (sources: Partial<SettingSources> = {}) =>
  readSettings({ flags: {}, env: {}, cwd: '/srv/app', terminal: false, ...sources });

function problemsOf(sources: Partial<SettingSources>): string[] {
  try {
    read(sources);
  } catch (error) {
    if (isUmbelError(error, 'CONFIG_INVALID')) return error.details.problems;
    throw error;
  }
  return [];
}

test('has a default for everything', () => {
  expect(read()).toEqual({
    databaseUrl: undefined,
    dataDir: '/srv/app/.umbel',
    findSecret: expect.any(Function),
    host: '127.0.0.1',
    port: 8000,
    publicUrl: 'http://127.0.0.1:8000',
    auth: 'off',
    insecure: false,
    workers: 10,
    pool: 'default',
    programs: undefined,
    outboundAllow: ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1/128', 'fc00::/7'],
    pollInterval: 5_000,
    lease: 15_000,
    grace: 30_000,
    startTimeout: 60_000,
    retention: 'never',
    eventRetention: 604_800_000,
    serviceName: 'umbel',
    rabbitmqUrl: undefined,
    natsUrl: undefined,
    processAllow: [],
    processEnv: {},
    metricsPort: undefined,
    logLevel: 'info',
    logFormat: 'json',
  });
});

test('lets flags win over the environment', () => {
  const settings = read({ flags: { port: '9000' }, env: { PORT: '7000', WORKERS: '3' } });
  expect(settings).toMatchObject({ port: 9000, workers: 3, publicUrl: 'http://127.0.0.1:9000' });
});

test('takes an empty environment variable for none', () => {
  expect(read({ env: { PORT: '', DATABASE_URL: '' } })).toMatchObject({ port: 8000, databaseUrl: undefined });
});

test('makes the database URL of Flower variables, with their defaults', () => {
  expect(read({ env: { DB_HOST: 'db' } }).databaseUrl).toBe('postgres://flower:flower@db:5432/flower');
  expect(read({ env: { DB_PASS: 'a b/c@d', DB_PORT: '5433' } }).databaseUrl).toBe(
    'postgres://flower:a%20b%2Fc%40d@localhost:5433/flower',
  );
  expect(read({ env: { DB_HOST: '/run/pg' } }).databaseUrl).toBe(
    'postgres:///flower?host=%2Frun%2Fpg&port=5432&user=flower&password=flower',
  );
});

test('prefers DATABASE_URL to the Flower variables', () => {
  const env = { DATABASE_URL: 'postgres://a@b/c', DB_HOST: 'db' };
  expect(read({ env }).databaseUrl).toBe('postgres://a@b/c');
});

test('reports every bad setting at once, with its source, its value and what is allowed', () => {
  const problems = problemsOf({
    flags: { port: '70000', pollInterval: 'soon' },
    env: {
      WORKERS: '0',
      LEASE: '90d',
      AUTH: 'oidc',
      LOG_LEVEL: 'loud',
      INSECURE: 'maybe',
      PUBLIC_URL: 'example.com',
    },
  });
  expect(problems).toEqual([
    '--port: "70000" is not valid; allowed: a whole number from 0 to 65535',
    'PUBLIC_URL: "example.com" is not valid; allowed: an address such as https://umbel.example.com',
    'AUTH: "oidc" is not valid; allowed: off',
    'INSECURE: "maybe" is not valid; allowed: true, false, 1, 0, yes, no, on, off',
    'WORKERS: "0" is not valid; allowed: a whole number from 1 to 10000',
    '--poll-interval: "soon" is not valid; allowed: milliseconds, or 500ms, 3s, 5m, 2h, 1d; from 10ms to 1h',
    'LEASE: "90d" is not valid; allowed: milliseconds, or 500ms, 3s, 5m, 2h, 1d; from 500ms to 1h',
    'LOG_LEVEL: "loud" is not valid; allowed: fatal, error, warn, info, debug, trace, silent',
  ]);
});

test.each(['mysql://a@b/c', 'host=db user=me', 'postgres://u:p%zz@h/d', 'postgres://h:99999/d'])(
  'refuses the database URL %s without showing it',
  (url) => {
    const problems = problemsOf({ env: { DATABASE_URL: url } });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^DATABASE_URL: its value is not valid; allowed: postgres:\/\//);
    expect(problems[0]).not.toContain(url);
  },
);

test.each(['0.0.0.0', '::', '192.168.1.5', 'umbel.example.com', '128.0.0.1', '127.0.0.1.example.com'])(
  'refuses to listen on %s while AUTH is off, unless told that this is meant',
  (host) => {
    expect(problemsOf({ env: { HOST: host } })).toHaveLength(1);
    expect(read({ env: { HOST: host }, flags: { insecure: true } }).host).toBe(host);
  },
);

test('knows loopback when it sees it', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true);
});

test('opens the networks around it to outgoing calls only while it is on loopback, unless told', () => {
  const exposed = { HOST: '0.0.0.0', INSECURE: 'true' };
  expect(read({ env: exposed }).outboundAllow).toEqual([]);
  expect(read({ env: { OUTBOUND_ALLOW: 'Intranet.example, 10.1.2.3,fd00::/8' } }).outboundAllow).toEqual([
    'intranet.example',
    '10.1.2.3',
    'fd00::/8',
  ]);
});

test.each([
  '10.0.0.0/33',
  '10.0.0.300',
  'fd00::/129',
  'http://host',
  'host:80',
  'host/8',
  'a,,b',
  '10.0.0.0/8/8',
])('refuses %j as something to allow outgoing calls to', (value) => {
  expect(problemsOf({ env: { OUTBOUND_ALLOW: value } })).toHaveLength(1);
});

test('writes an IPv6 host in brackets', () => {
  expect(read({ flags: { host: '::1' } }).publicUrl).toBe('http://[::1]:8000');
});

test('keys each setting by the camel-case name of its flag', () => {
  const flagged = Object.entries(SETTINGS).filter(([, { flag }]) => flag !== null);
  const attributes = flagged.map(([, { flag }]) => new Option(flag ?? '').attributeName());
  expect(attributes).toEqual(flagged.map(([name]) => name));
});

test('docs/configuration.md holds exactly the rows of the table', async () => {
  const page = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(Object.keys(SETTINGS).map((name) => formatSettingRow(name as SettingName)));
});
