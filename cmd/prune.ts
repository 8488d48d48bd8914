// `umbel prune --older-than 30d`: deletes executions that ended long ago, with their tasks.
import { Command } from 'commander';
import { DURATION_FORM, parseDuration } from '../src/dag/duration.ts';
import { UmbelError } from '../src/errors.ts';
import { openDatabase } from '../src/sql/database.ts';
import { requireMigrations } from '../src/sql/migrate.ts';
import { pruneExecutions } from '../src/sql/prune.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { addSettings, settingsOf } from './settings.ts';

interface PruneFlags {
  olderThan: string;
  flow?: string;
  dryRun?: boolean;
}

export function pruneCommand(): Command {
  const command = new Command('prune')
    .description('delete executions that ended long ago, with their tasks')
    .requiredOption('--older-than <duration>', `since they ended: ${DURATION_FORM}`)
    .option('--flow <task_id>', 'only of this flow')
    .option('--dry-run', 'say how many it would be, and delete nothing')
    .action(guarded(runPrune));
  return addSettings(command);
}

async function runPrune(this: Command, { olderThan, flow, dryRun = false }: PruneFlags): Promise<void> {
  const age = readAge(olderThan);
  const db = openDatabase({ url: await findDatabaseUrl(settingsOf(this)), max: 1 });
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    await requireMigrations(db);
    const options = { olderThan: age, flow: flow ?? null, dryRun, restShare: 1, signal: stop.signal };
    const { executions, tasks } = await pruneExecutions(db, options);
    const verb = dryRun ? 'Would delete' : 'Deleted';
    console.log(
      `${verb} ${executions} executions with ${tasks} tasks.${stop.signal.aborted ? ' Interrupted: there may be more.' : ''}`,
    );
  } finally {
    await db.close();
  }
}

function readAge(text: string): number {
  const age = parseDuration(text);
  if (age !== undefined) return age;
  throw new UmbelError('CONFIG_INVALID', {
    problems: [`--older-than: "${text}" is not valid; allowed: ${DURATION_FORM}`],
  });
}
