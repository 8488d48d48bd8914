// The command line of the benchmark. Called by run.ts.
import { parseArgs } from 'node:util';

export interface Options {
  /** Names of shapes; all when empty. */
  only: string[];
  rounds: number;
  tasks: number;
  history: number;
  blocked: number;
  /** Seconds that one case may take. */
  limit: number;
  writeDocs: boolean;
  help: boolean;
}

export const USAGE = `npm run bench [-- options]

  --only flat,chain   shapes to run (default: all)
  --rounds 3          interleaved rounds; medians are reported
  --tasks 100000      size of the run; each shape takes its share
  --history 1000000   finished tasks below the growth shape
  --blocked 100000    blocked tasks below the growth shape
  --full              history 10,000,000 and blocked 1,000,000
  --limit 600         seconds that one case may take
  --write-docs        only write the figures of results/latest.json into docs/performance.md

DATABASE_URL: the server to use instead of the embedded one; its role must be allowed to create databases.
REDIS_URL: the Redis to use (default: redis://127.0.0.1:6379, when one answers there).
`;

/** Throws an Error that says which option is wrong. */
export function readOptions(args: string[], shapes: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      tasks: { type: 'string', default: '100000' },
      history: { type: 'string' },
      blocked: { type: 'string' },
      full: { type: 'boolean', default: false },
      limit: { type: 'string', default: '600' },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    only: readNames(values.only, shapes),
    rounds: readNumber('rounds', values.rounds, 1, 100),
    tasks: readNumber('tasks', values.tasks, 1_000, 10_000_000),
    history: readNumber('history', values.history ?? (values.full ? '10000000' : '1000000'), 0, 100_000_000),
    blocked: readNumber('blocked', values.blocked ?? (values.full ? '1000000' : '100000'), 0, 100_000_000),
    limit: readNumber('limit', values.limit, 10, 7_200),
    writeDocs: values['write-docs'],
    help: values.help,
  };
}

function readNames(text: string, known: string[]): string[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`--only: no shape is called ${unknown.join(', ')}; there are ${known.join(', ')}`);
  }
  return names;
}

function readNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name}: must be a whole number from ${least} to ${most}, got ${text}`);
}
