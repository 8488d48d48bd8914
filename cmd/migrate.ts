// `umbel migrate up|down|status`: the schema of the database.
import { Command, InvalidArgumentError } from 'commander';
import { makeLogger } from '../src/log.ts';
import { openDatabase } from '../src/sql/database.ts';
import { migrateDown, migrateUp, migrationStatus } from '../src/sql/migrate.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { addSettings, settingsOf } from './settings.ts';
import { formatTable } from './table.ts';

export function migrateCommand(): Command {
  const up = new Command('up').description('run every pending migration').action(guarded(runUp));
  const down = new Command('down')
    .description('undo the last migrations, newest first')
    .argument('[count]', 'how many', toCount, 1)
    .action(guarded(runDown));
  const status = new Command('status').description('list the migrations').action(guarded(showStatus));
  const migrate = new Command('migrate').description("bring the database's schema up or down");
  for (const command of [up, down, status]) migrate.addCommand(addSettings(command));
  return migrate;
}

async function runUp(this: Command): Promise<void> {
  say(await migrateUp(await migrationOf(this)), 'up');
}

async function runDown(this: Command, count: number): Promise<void> {
  say(await migrateDown({ ...(await migrationOf(this)), count }), 'down');
}

async function showStatus(this: Command): Promise<void> {
  const db = openDatabase({ url: await findDatabaseUrl(settingsOf(this)), max: 1 });
  try {
    const states = await migrationStatus(db.kysely);
    const rows = states.map(({ name, ranAt }) => [name, ranAt?.toISOString() ?? 'pending']);
    process.stdout.write(formatTable([{ name: 'migration' }, { name: 'ran at' }], rows));
  } finally {
    await db.close();
  }
}

async function migrationOf(command: Command) {
  const settings = settingsOf(command);
  return { url: await findDatabaseUrl(settings), log: makeLogger(settings) };
}

function say(names: string[], direction: 'up' | 'down'): void {
  console.log(names.length === 0 ? 'Nothing to migrate.' : `Migrated ${direction}: ${names.join(', ')}.`);
}

function toCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
