// Many executions at once, besides one HTTP request each (see http.ts): through the registrar in process, and by a user's own
// SQL that inserts rows with Flower's columns alone, which triggers wire at commit.
import { Client } from 'pg';
import { addCase } from '../contenders/graphile-worker.ts';
import { insertCase } from '../contenders/pg-boss.ts';
import { umbel } from '../contenders/umbel.ts';
import { measureDrain } from '../probes/drain.ts';
import type { CaseContext, Sample, Shape } from '../shape.ts';
import { defineFlow, openRegistrar, registerMany } from '../umbel/flows.ts';
import { NOOP } from '../umbel/programs.ts';
import { countRegistered } from '../umbel/verify.ts';
import { CHAIN } from './chain.ts';

const FLOW = 'bench';
const EXECUTIONS_A_STATEMENT = 1_000;

export const bulk: Shape = {
  name: 'bulk',
  title: 'Bulk in: three-step executions registered together',
  headline: { figure: 'tasksPerSecond', unit: 'tasks/s', better: 'more' },
  cases: {
    registrar: { contender: umbel, run: (context) => measure(context, byRegistrar) },
    'SQL insert': { contender: umbel, run: (context) => measure(context, bySql) },
    'graphile-worker, add_jobs': addCase,
    'pg-boss, insert': insertCase,
  },
};

type Way = (
  url: string,
  executions: number,
) => Promise<{ run: () => Promise<void>; close: () => Promise<void> }>;

/** As many executions as the run has tasks. */
async function measure({ url, tasks: executions }: CaseContext, way: Way): Promise<Sample> {
  const { run, close } = await way(url, executions);
  const tasks = executions * CHAIN.length;
  const figures = await measureDrain(url, tasks, { run, close });
  const stored = await countRegistered(url);
  if (stored !== tasks) throw new Error(`${stored} of ${tasks} tasks are stored`);
  return { figures, settings: { executions, steps: CHAIN.length } };
}

const byRegistrar: Way = async (url, executions) => {
  const defining = openRegistrar(url);
  await defineFlow(defining.db, { id: FLOW, graph: CHAIN, program: NOOP });
  await defining.close();
  const { register, close } = openRegistrar(url);
  return { run: () => registerMany(register, FLOW, executions), close };
};

const INSERT = `
  insert into kr_task_stat (task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, parameters)
  select 'hand-' || n, seq, case seq when 1 then -1 else seq - 1 end, $1, seq, 0, '{}'
  from generate_series($2::int, $3::int) n, generate_series(1, $4::int) seq`;

const bySql: Way = async (url, executions) => {
  let client: Client | undefined;
  const run = async () => {
    client = new Client({ connectionString: url });
    await client.connect();
    for (let n = 1; n <= executions; n += EXECUTIONS_A_STATEMENT) {
      const last = Math.min(executions, n + EXECUTIONS_A_STATEMENT - 1);
      await client.query(INSERT, [FLOW, n, last, CHAIN.length]);
    }
  };
  return { run, close: async () => client?.end() };
};
