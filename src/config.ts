// The one table of settings: names, flags, environment variables, defaults.
// cmd/ makes its command lines from it, config-read.ts the values, and docs/configuration.md is held against it.
import {
  choice,
  commandList,
  duration,
  durationOr,
  hostList,
  httpUrl,
  integer,
  onOff,
  postgresUrl,
  text,
} from './setting-kinds.ts';
import { EVENT_SETTINGS } from './config-events.ts';
import type { FindSecret } from './secrets.ts';
import { optional, type Setting, setting } from './setting.ts';

/** Keys are the camel-case form of the flags, as commander makes it. */
export const SETTINGS = {
  databaseUrl: optional(postgresUrl, {
    env: 'DATABASE_URL',
    flag: '--database-url <url>',
    secret: true,
    defaultText: 'made from `DB_*` when one of them is set, else the embedded Postgres',
    description: 'Postgres to use, 15 or later.',
  }),
  dbUser: setting(text, {
    env: 'DB_USER',
    flag: null,
    default: 'flower',
    description: 'User, when `DATABASE_URL` is not set.',
  }),
  dbPass: setting(text, {
    env: 'DB_PASS',
    flag: null,
    default: 'flower',
    secret: true,
    description: 'Password, when `DATABASE_URL` is not set.',
  }),
  dbHost: setting(text, {
    env: 'DB_HOST',
    flag: null,
    default: 'localhost',
    description: 'Host, when `DATABASE_URL` is not set.',
  }),
  dbPort: setting(integer(1, 65_535), {
    env: 'DB_PORT',
    flag: null,
    default: 5432,
    description: 'Port, when `DATABASE_URL` is not set.',
  }),
  dbName: setting(text, {
    env: 'DB_NAME',
    flag: null,
    default: 'flower',
    description: 'Database, when `DATABASE_URL` is not set.',
  }),
  dataDir: setting(text, {
    env: 'DATA_DIR',
    flag: '--data-dir <dir>',
    default: '.umbel',
    description: 'Where the embedded Postgres lives, and where the other commands find it.',
  }),
  host: setting(text, {
    env: 'HOST',
    flag: '--host <address>',
    default: '127.0.0.1',
    description: 'Address to listen on. Other than loopback only with `AUTH` or `--insecure`.',
  }),
  port: setting(integer(0, 65_535), {
    env: 'PORT',
    flag: '--port <number>',
    default: 8000,
    description: 'Port to listen on; 0 takes a free one.',
  }),
  publicUrl: optional(httpUrl, {
    env: 'PUBLIC_URL',
    flag: '--public-url <url>',
    defaultText: 'http://HOST:PORT',
    description: 'Address under which others reach the server.',
  }),
  auth: setting(choice('off'), {
    env: 'AUTH',
    flag: '--auth <mode>',
    default: 'off',
    description: 'Who may use the server; `off` lets everybody.',
  }),
  insecure: setting(onOff, {
    env: 'INSECURE',
    flag: '--insecure',
    default: false,
    description: 'Listen on an address other than loopback although `AUTH` is off.',
  }),
  workers: setting(integer(1, 10_000), {
    env: 'WORKERS',
    flag: '--workers <number>',
    default: 10,
    description: 'Tasks that one watcher runs at once.',
  }),
  pool: setting(text, {
    env: 'POOL',
    flag: '--pool <name>',
    default: 'default',
    description: 'The pool whose tasks a watcher runs.',
  }),
  programs: optional(text, {
    env: 'PROGRAMS',
    flag: '--programs <dir>',
    defaultText: 'none',
    description: 'Directory with programs of your own, one `.ts` file each.',
  }),
  outboundAllow: optional(hostList, {
    env: 'OUTBOUND_ALLOW',
    flag: '--outbound-allow <list>',
    defaultText: 'loopback and private networks while `HOST` is loopback and `AUTH` is off, else none',
    description: 'What the HTTP programs may call besides public addresses.',
  }),
  processAllow: setting(commandList, {
    env: 'PROCESS_ALLOW',
    flag: '--process-allow <list>',
    default: [],
    defaultText: 'none',
    description: 'Commands that components of the kind `process` may run on a watcher.',
  }),
  pollInterval: setting(duration('10ms', '1h'), {
    env: 'POLL_INTERVAL',
    flag: '--poll-interval <duration>',
    default: 5000,
    description: 'Longest time that a watcher or a scheduler sleeps before it looks for work.',
  }),
  lease: setting(duration('500ms', '1h'), {
    env: 'LEASE',
    flag: '--lease <duration>',
    default: 15_000,
    description: 'A watcher silent for that long is dead, and its tasks go back.',
  }),
  grace: setting(duration('0ms', '1d'), {
    env: 'GRACE',
    flag: '--grace <duration>',
    default: 30_000,
    description: 'Time that running tasks get after SIGTERM.',
  }),
  startTimeout: setting(duration('1s', '1h'), {
    env: 'START_TIMEOUT',
    flag: '--start-timeout <duration>',
    default: 60_000,
    description: 'A flow whose components are not ready that long after its start has failed.',
  }),
  retention: setting(durationOr('never', '1m', '3650d'), {
    env: 'RETENTION',
    flag: '--retention <duration>',
    default: 'never',
    defaultText: '`never`',
    description: 'Executions that ended longer ago are deleted by the watchers.',
  }),
  ...EVENT_SETTINGS,
  metricsPort: optional(integer(0, 65_535), {
    env: 'METRICS_PORT',
    flag: '--metrics-port <number>',
    defaultText: 'none',
    description:
      'Port on `HOST` where a watcher or a scheduler serves `/metrics`; the register server has it at its own port.',
  }),
  logLevel: setting(choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), {
    env: 'LOG_LEVEL',
    flag: '--log-level <level>',
    default: 'info',
    description: 'The least level that is logged, on standard error.',
  }),
  logFormat: optional(choice('pretty', 'json'), {
    env: 'LOG_FORMAT',
    flag: '--log-format <format>',
    defaultText: '`pretty` on a terminal, else `json`',
    description: 'Lines for people or for machines.',
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** The table's values as given or defaulted, before anything is worked out from them. */
export type GivenSettings = {
  -readonly [N in SettingName]: (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;
};

type DatabasePart = 'dbUser' | 'dbPass' | 'dbHost' | 'dbPort' | 'dbName';

/** What the house works with: durations in milliseconds, `dataDir` and `programs` absolute. */
export interface Settings extends Omit<GivenSettings, DatabasePart> {
  /** Undefined: use the embedded Postgres of `dataDir`. */
  databaseUrl: string | undefined;
  publicUrl: string;
  outboundAllow: string[];
  /** What processes of components find in their environment. */
  processEnv: Record<string, string>;
  logFormat: 'pretty' | 'json';
  /** What `SECRET_<NAME>` says. */
  findSecret: FindSecret;
}
