// DBOS: workflows in code, each step recorded. Three-step workflows, started so many at a time.
import { measureDrain } from '../probes/drain.ts';
import type { Case, Contender, Sample } from '../shape.ts';

const dbos: Contender = {
  name: 'dbos',
  package: '@dbos-inc/dbos-sdk',
  async install(url) {
    const { DBOS } = await import('@dbos-inc/dbos-sdk');
    await DBOS.migrate(url);
  },
};

const AT_ONCE = 100;
const POOL = 20;

/** Workflows of that many steps, from their start to the end of the last one. */
export function drainCase(steps: number, share = 1): Case {
  return {
    contender: dbos,
    run: ({ url, tasks }) => drain(url, Math.max(1, Math.round((tasks * share) / steps)), steps),
  };
}

async function drain(url: string, workflows: number, steps: number): Promise<Sample> {
  const { DBOS } = await import('@dbos-inc/dbos-sdk');
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, systemDatabasePoolSize: POOL, logLevel: 'error' });
  const workflow = DBOS.registerWorkflow(
    async () => {
      for (let step = 1; step <= steps; step += 1)
        await DBOS.runStep(async () => ({ ok: true }), { name: `step${step}` });
    },
    { name: 'chain' },
  );
  let left = workflows;
  const runSome = async () => {
    while (left > 0) {
      left -= 1;
      await workflow();
    }
  };
  const run = async () => void (await Promise.all(Array.from({ length: AT_ONCE }, runSome)));
  const tasks = workflows * steps;
  const figures = await measureDrain(url, tasks, {
    open: () => DBOS.launch(),
    run,
    close: () => DBOS.shutdown(),
  });
  return { figures, settings: { workers: AT_ONCE, claimAhead: 0, executions: workflows, tasks } };
}
