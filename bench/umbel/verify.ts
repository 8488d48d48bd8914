// Reads from the tables whether a run did what it should: every task finished, once, and every execution ended.
import { Client } from 'pg';
import { waitUntil } from '../probes/wait.ts';

export interface Expected {
  /** The database's time before the first registration; the beginning of time for all. */
  since: Date;
  executions: number;
  tasks: number;
}

const READ = `
  select count(distinct f.task_flow_id)::int executions, count(*)::int tasks,
    count(*) filter (where t.exec_status = 3)::int finished,
    count(*) filter (where t.attempt = 1)::int once,
    count(distinct f.task_flow_id) filter (where f.flow_status = 'success')::int succeeded
  from kr_flow_stat f join kr_task_stat t on t.task_flow_id = f.task_flow_id
  where f.registered_ts >= $1`;

const OPEN = `select exists (select from kr_flow_stat where registered_ts >= $1 and flow_status = 'open') open`;

/** Throws when a task did not finish, ran more than once, or is missing. */
export async function verifyRun(url: string, { since, executions, tasks }: Expected): Promise<void> {
  const found = await withClient(url, (client) => client.query<Record<string, number>>(READ, [since]));
  const wanted = { executions, tasks, finished: tasks, once: tasks, succeeded: executions };
  const wrong = Object.entries(wanted).filter(([name, count]) => found.rows[0]?.[name] !== count);
  if (wrong.length === 0) return;
  const list = wrong.map(([name, count]) => `${name} ${found.rows[0]?.[name]} instead of ${count}`);
  throw new Error(`the run is not right: ${list.join(', ')}`);
}

/** Resolves when every execution registered since then has ended. */
export async function untilEnded(url: string, since: Date): Promise<void> {
  await withClient(url, (client) =>
    waitUntil('every execution ends', async () => {
      const { rows } = await client.query<{ open: boolean }>(OPEN, [since]);
      return rows[0]?.open === false;
    }),
  );
}

/** Tasks that are stored and wired. */
export async function countRegistered(url: string): Promise<number> {
  const text = 'select count(*)::int tasks from kr_task_stat where waiting_on is not null';
  const { rows } = await withClient(url, (client) => client.query<{ tasks: number }>(text));
  return rows[0]?.tasks ?? 0;
}

async function withClient<Done>(url: string, work: (client: Client) => Promise<Done>): Promise<Done> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
