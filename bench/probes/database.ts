// What a stretch of work cost the database: commits, WAL, dead row versions, deadlocks. All from Postgres' own counters.
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Figures } from '../shape.ts';

interface Counters {
  commits: number;
  deadlocks: number;
  updated: number;
  hot: number;
  deleted: number;
  wal: number;
}

const READ = `
  select d.xact_commit::float8 commits, d.deadlocks::float8 deadlocks, t.updated, t.hot, t.deleted,
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 wal
  from pg_stat_database d,
    (select coalesce(sum(n_tup_upd), 0)::float8 updated, coalesce(sum(n_tup_hot_upd), 0)::float8 hot,
       coalesce(sum(n_tup_del), 0)::float8 deleted from pg_stat_user_tables) t
  where d.datname = current_database()`;

const OTHERS = `
  select count(*)::int others from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
    and state <> 'idle in transaction'`;

const PATIENCE_MS = 5_000;

/** Runs the work, which must close its connections before it resolves (only then are its counters complete), between two readings. */
export async function probeDatabase<Done extends { tasks: number }>(
  url: string,
  work: () => Promise<Done>,
): Promise<{ done: Done; figures: Figures }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await untilAlone(client);
    // So that the checkpoint for what was filled in does not fall into the measurement. Not every role may.
    await client.query('checkpoint').catch(() => undefined);
    const before = await read(client);
    const done = await work();
    await untilAlone(client);
    return { done, figures: compare(before, await read(client), done.tasks) };
  } finally {
    await client.end();
  }
}

function compare(before: Counters, after: Counters, tasks: number): Figures {
  const of = (name: keyof Counters) => after[name] - before[name];
  return {
    commitsPerTask: of('commits') / tasks,
    walBytesPerTask: of('wal') / tasks,
    deadTuplesPerTask: (of('updated') + of('deleted')) / tasks,
    hotUpdateShare: of('updated') === 0 ? 0 : of('hot') / of('updated'),
    deadlocks: of('deadlocks'),
  };
}

async function read(client: Client): Promise<Counters> {
  const { rows } = await client.query<Counters>(READ);
  const [counters] = rows;
  if (counters === undefined) throw new Error('pg_stat_database does not know this database');
  return counters;
}

async function untilAlone(client: Client): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    const { rows } = await client.query<{ others: number }>(OTHERS);
    if (rows[0]?.others === 0) return;
    await sleep(20);
  }
  throw new Error('a contender leaves connections open, so the counters of the database are not complete');
}
