// Reads the settings from flags and environment, flags first, and reports every bad one at once.
// Called by cmd/ at the start of each command.
import { isIPv4 } from 'node:net';
import path from 'node:path';
import { SETTINGS, type GivenSettings, type SettingName, type Settings } from './config.ts';
import type { Setting } from './setting.ts';
import { UmbelError } from './errors.ts';
import { findSecretIn } from './secrets.ts';

/** What a machine's owner reaches anyway: loopback and private networks. */
const LOCAL_NETWORKS = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
];

/** Where settings come from. `flags` is keyed like `SETTINGS`: text as typed, or true for a flag without value. */
export interface SettingSources {
  flags: Partial<Record<SettingName, string | boolean>>;
  env: Record<string, string | undefined>;
  cwd: string;
  /** Whether the log goes to a terminal. */
  terminal: boolean;
  /** Whether the command listens; one that does not may run where `HOST` is meant for another. Default: true. */
  serves?: boolean;
}

type Read = { ok: unknown } | { problem: string } | { missing: true };

/** The settings of a command. Throws CONFIG_INVALID with one problem for each bad setting. */
export function readSettings(sources: SettingSources): Settings {
  const reads = Object.entries(SETTINGS).map(
    ([name, row]) => [name, readOne(name as SettingName, row, sources)] as const,
  );
  const problems = reads.flatMap(([, read]) => ('problem' in read ? [read.problem] : []));
  const given = Object.fromEntries(
    reads.map(([name, read]) => [name, 'ok' in read ? read.ok : SETTINGS[name as SettingName].default]),
  ) as unknown as GivenSettings;
  if (sources.serves ?? true) problems.push(...exposureProblems(given));
  if (problems.length > 0) throw new UmbelError('CONFIG_INVALID', { problems });
  const namesDatabase = reads.some(([name, read]) => /^db[A-Z]/.test(name) && 'ok' in read);
  return workOut(given, namesDatabase, sources);
}

/** Whether only this machine can reach a server that listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function readOne(name: SettingName, row: Setting, { flags, env }: SettingSources): Read {
  const flag = flags[name];
  if (flag !== undefined) return parse(row, (row.flag ?? name).split(' ')[0] ?? name, String(flag));
  const value = env[row.env];
  return value === undefined || value === '' ? { missing: true } : parse(row, row.env, value);
}

function parse(row: Setting, source: string, value: string): Read {
  const parsed = value === '' ? undefined : row.kind.parse(value);
  if (parsed !== undefined) return { ok: parsed };
  const shown = row.secret ? 'its value' : `"${value}"`;
  return { problem: `${source}: ${shown} is not valid; allowed: ${row.kind.allowed}` };
}

/** Whether only this machine's users give work to the server, so that it may reach what they reach. */
function isOwn({ host, auth }: GivenSettings): boolean {
  return isLoopback(host) && auth === 'off';
}

function exposureProblems({ host, auth, insecure }: GivenSettings): string[] {
  if (isLoopback(host) || auth !== 'off' || insecure) return [];
  return [
    `HOST: "${host}" lets other machines in while AUTH is off; allowed: 127.0.0.1, ::1, localhost, or give --insecure`,
  ];
}

function workOut(
  given: GivenSettings,
  namesDatabase: boolean,
  { cwd, env, terminal }: SettingSources,
): Settings {
  const { dbUser: _u, dbPass: _p, dbHost: _h, dbPort: _q, dbName: _n, ...rest } = given;
  return {
    ...rest,
    databaseUrl: given.databaseUrl ?? (namesDatabase ? urlOfParts(given) : undefined),
    dataDir: path.resolve(cwd, given.dataDir),
    programs: given.programs === undefined ? undefined : path.resolve(cwd, given.programs),
    publicUrl:
      given.publicUrl ?? `http://${given.host.includes(':') ? `[${given.host}]` : given.host}:${given.port}`,
    outboundAllow: given.outboundAllow ?? (isOwn(given) ? LOCAL_NETWORKS : []),
    logFormat: given.logFormat ?? (terminal ? 'pretty' : 'json'),
    processEnv: pickEnv(env),
    findSecret: findSecretIn(env),
  };
}

/** What a program needs to run at all, and nothing that may be secret. */
function pickEnv(env: Record<string, string | undefined>): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Flower's variables as one URL. A host that is a path is a socket directory, as libpq has it. */
function urlOfParts({ dbUser, dbPass, dbHost, dbPort, dbName }: GivenSettings): string {
  const [user, password, name, host] = [dbUser, dbPass, dbName, dbHost].map(encodeURIComponent);
  if (dbHost.startsWith('/')) {
    return `postgres:///${name}?host=${host}&port=${dbPort}&user=${user}&password=${password}`;
  }
  return `postgres://${user}:${password}@${dbHost.includes(':') ? `[${dbHost}]` : dbHost}:${dbPort}/${name}`;
}
