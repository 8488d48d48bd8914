// `umbel subscriptions`: where events are posted to. See docs/events.md.
import { Command } from 'commander';
import { makeSubscriptions, type Subscriptions } from '../src/events/subscriptions.ts';
import { openDatabase } from '../src/sql/database.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { TENANT } from './registrar.ts';
import { addSettings, settingsOf } from './settings.ts';
import { formatTable } from './table.ts';

const LIMIT = 100;

export function subscriptionsCommand(): Command {
  const add = new Command('add')
    .description('let events be posted to an address')
    .requiredOption('--name <pattern...>', 'names of events: flow.* is all that begin so')
    .requiredOption('--url <url>', 'where they are posted')
    .requiredOption('--secret <name...>', 'names of the secrets that sign')
    .option('--flow <task_id>', 'events about this flow only')
    .option('--id <id>', 'made when it is left out')
    .action(guarded(runAdd));
  const ls = new Command('ls').description('list subscriptions').action(guarded(runList));
  const rm = new Command('rm').description('end a subscription').argument('<id>').action(guarded(runRemove));
  const deliveries = new Command('deliveries')
    .description('list what was sent, newest first')
    .argument('<id>')
    .option('--status <status>', 'pending, delivered or dead')
    .action(guarded(runDeliveries));
  const retry = new Command('retry')
    .description('send again what was given up')
    .argument('<id>')
    .argument('<delivery>')
    .action(guarded(runRetry));
  const subscriptions = new Command('subscriptions').description('post events to webhooks');
  for (const command of [add, ls, rm, deliveries, retry]) subscriptions.addCommand(addSettings(command));
  return subscriptions;
}

async function withSubscriptions<T>(command: Command, use: (books: Subscriptions) => Promise<T>): Promise<T> {
  const db = openDatabase({ url: await findDatabaseUrl(settingsOf(command)), max: 1 });
  try {
    return await use(makeSubscriptions(db));
  } finally {
    await db.close();
  }
}

interface AddFlags {
  name: string[];
  url: string;
  secret: string[];
  flow?: string;
  id?: string;
}

async function runAdd(
  this: Command,
  { name: names, secret: secrets, url, flow, id }: AddFlags,
): Promise<void> {
  const made = await withSubscriptions(this, (books) =>
    books.create(TENANT, { id, names, flow, url, secrets }),
  );
  console.log(made.id);
}

async function runList(this: Command): Promise<void> {
  const all = await withSubscriptions(this, (books) => books.list(TENANT));
  const columns = ['id', 'names', 'flow', 'url', 'secrets'].map((name) => ({ name }));
  const rows = all.map(({ id, names, flow, url, secrets }) => [
    id,
    names.join(' '),
    flow,
    url,
    secrets.join(' '),
  ]);
  process.stdout.write(formatTable(columns, rows));
}

async function runRemove(this: Command, id: string): Promise<void> {
  await withSubscriptions(this, (books) => books.delete(TENANT, id));
  console.log(`${id}: ended.`);
}

async function runDeliveries(
  this: Command,
  subscription: string,
  { status = null }: { status?: string | null },
): Promise<void> {
  const sent = await withSubscriptions(this, (books) =>
    books.deliveries({ tenant: TENANT, subscription, status, limit: LIMIT }),
  );
  const columns = ['id', 'status', 'attempts', 'answer', 'error', 'created'].map((name) => ({ name }));
  const rows = sent.map((one) => [
    one.id,
    one.status,
    one.attempts,
    one.answer,
    one.error,
    one.createdAt.toISOString(),
  ]);
  process.stdout.write(formatTable(columns, rows));
}

async function runRetry(this: Command, subscription: string, delivery: string): Promise<void> {
  await withSubscriptions(this, (books) => books.retry({ tenant: TENANT, subscription, delivery }));
  console.log(`${delivery}: sent again.`);
}
