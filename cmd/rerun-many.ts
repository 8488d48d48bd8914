// `umbel executions rerun`: tasks of many executions, run again.
import { Command } from 'commander';
import type { JsonObject } from '../src/dag/vocabulary.ts';
import type { BulkFilter, BulkRerun } from '../src/registrar/bulk.ts';
import { guarded } from './exit.ts';
import { paramsFlag } from './params.ts';
import { TENANT, withRegistrar } from './registrar.ts';

interface Flags extends BulkFilter {
  from: string;
  params?: JsonObject;
  dryRun?: boolean;
}

export function rerunManyCommand(): Command {
  return new Command('rerun')
    .description('rerun tasks of many executions, newest first')
    .requiredOption('--from <failed|step>', 'what failed, or a step and what comes after it')
    .option('--flow <task_id>', 'only of this flow')
    .option('--status <status>', 'only with this status')
    .option('--since <time>', 'only registered then or later')
    .option('--until <time>', 'only registered before')
    .addOption(paramsFlag())
    .option('--dry-run', 'only say what would be done')
    .action(guarded(runMany));
}

async function runMany(this: Command, flags: Flags): Promise<void> {
  const { from, params, dryRun = false, flow, status, since, until } = flags;
  const request: BulkRerun = { tenant: TENANT, filter: { flow, status, since, until }, from, params, dryRun };
  const count = await withRegistrar(this, async ({ rerunMany }) => {
    let count = 0;
    let cursor: string | undefined;
    do {
      const answer = await rerunMany({ ...request, cursor });
      for (const { id, tasks } of answer.executions) process.stdout.write(`${id}  ${tasks}\n`);
      count += answer.executions.length;
      cursor = answer.cursor;
    } while (cursor !== undefined);
    return count;
  });
  console.error(
    `${dryRun ? 'Would be rerun' : 'Rerun'}: ${count} ${count === 1 ? 'execution' : 'executions'}.`,
  );
}
