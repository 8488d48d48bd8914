// The logger of a process, made once in cmd/ from the settings and handed down as an argument.
// Lines go to standard error: standard output belongs to what a command prints.
import { pino, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';

export type Logger = PinoLogger;

const SECRET_KEYS = ['password', 'authorization', 'cookie', 'token', 'secret', 'databaseUrl', 'url.password'];
const SECRET_PATHS = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.headers.${key}`]);

/** A logger of JSON lines or, written in this very process, of lines for people. */
export function makeLogger(
  settings: { logLevel: string; logFormat: 'pretty' | 'json' },
  destination: NodeJS.WritableStream = process.stderr,
): Logger {
  const options = {
    level: settings.logLevel,
    base: null,
    redact: { paths: SECRET_PATHS, censor: '[secret]' },
  };
  // Whoever read the log may go away; the work goes on.
  destination.on('error', () => {});
  if (settings.logFormat === 'json') return pino(options, destination);
  const stream = pretty({ destination, translateTime: 'SYS:HH:MM:ss.l', singleLine: true, sync: true });
  return pino(options, stream);
}

/** A logger that says nothing, for code that needs one where nobody listens. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/** A database address fit for a log: `postgres://flower:s3cret@db:5432/flower` → `flower@db:5432/flower`. */
export function withoutPassword(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return '(not an address)';
  const url = new URL(databaseUrl);
  const user = url.username || url.searchParams.get('user');
  const host = url.host || url.searchParams.get('host') || 'localhost';
  return `${user ? `${user}@` : ''}${host}${url.pathname}`;
}
