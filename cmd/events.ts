// `umbel events`: shows what happens, and where the consumers of events are. See docs/events.md.
import { Command } from 'commander';
import { UmbelError } from '../src/errors.ts';
import { startBell } from '../src/events/bell.ts';
import { makeHub } from '../src/events/hub.ts';
import { readToken } from '../src/events/token.ts';
import { makeLogger } from '../src/log.ts';
import { type Database, openDatabase } from '../src/sql/database.ts';
import { dropCursor, listConsumers, putCursor } from '../src/sql/event-cursors.ts';
import { findPosition, type Position, readPresent } from '../src/sql/events.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { TENANT } from './registrar.ts';
import { addSettings, settingsOf } from './settings.ts';
import { formatTable } from './table.ts';

export function eventsCommand(): Command {
  const tail = new Command('tail')
    .description('print events as they happen, one line of JSON each')
    .option('--name <pattern...>', 'only these: flow.* is all that begin so')
    .option('--from <id>', 'the events after this one first; `start`: all that are kept')
    .action(guarded(runTail));
  const consumers = new Command('consumers')
    .description('list who handles events, and how far behind they are')
    .action(guarded(runConsumers));
  const replay = new Command('replay')
    .description('let a consumer handle events again, from a point on')
    .argument('<consumer>')
    .requiredOption('--from <point>', 'the id of an event, a time (ISO 8601), `start` or `now`')
    .action(guarded(runReplay));
  const forget = new Command('forget')
    .description('give a consumer up: no events are kept for it any more')
    .argument('<consumer>')
    .action(guarded(runForget));
  const events = new Command('events').description('show events, and who handles them');
  addSettings(tail, ['serviceName']);
  for (const command of [consumers, replay, forget]) addSettings(command);
  for (const command of [tail, consumers, replay, forget]) events.addCommand(command);
  return events;
}

async function withDatabase<T>(command: Command, use: (db: Database, url: string) => Promise<T>): Promise<T> {
  const url = await findDatabaseUrl(settingsOf(command));
  const db = openDatabase({ url, max: 2 });
  try {
    return await use(db, url);
  } finally {
    await db.close();
  }
}

async function runTail(
  this: Command,
  { name, from = null }: { name?: string[]; from?: string | null },
): Promise<void> {
  const settings = settingsOf(this);
  const log = makeLogger(settings);
  await withDatabase(this, async (db, url) => {
    const bell = startBell(url, log);
    const hub = makeHub({ db, bell, log, service: settings.serviceName });
    const ended = new Promise<void>((resolve) => {
      const send = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`) || true;
      const drained = async () => {};
      hub.listen({ tenant: TENANT, names: name ?? null, from, send, drained, end: resolve });
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
    await ended;
    await hub.close();
    await bell.stop();
  });
}

async function runConsumers(this: Command): Promise<void> {
  const consumers = await withDatabase(this, (db) => listConsumers(db));
  const columns = [
    { name: 'consumer' },
    { name: 'behind', isNumber: true },
    { name: 'read' },
    { name: 'error' },
  ];
  const rows = consumers.map(({ consumer, behind, isRead, failures, error }) => [
    consumer,
    behind,
    isRead ? 'yes' : 'no',
    failures > 0 ? `${error} (${failures} times)` : null,
  ]);
  process.stdout.write(formatTable(columns, rows));
}

async function runReplay(this: Command, consumer: string, { from }: { from: string }): Promise<void> {
  await withDatabase(this, async (db) => {
    if (!(await putCursor(db, consumer, await toPosition(db, from))))
      throw new UmbelError('CONSUMER_NOT_FOUND', { consumer });
  });
  console.log(`${consumer}: handles events from ${from} on.`);
}

async function toPosition(db: Database, point: string): Promise<Position> {
  if (point === 'now') return readPresent(db);
  const time = new Date(point);
  if (/^\d{4}-/.test(point) && !Number.isNaN(time.getTime())) return findPosition(db, time);
  const position = readToken(
    point === 'start' ? '0' : point.replace(/^\d+$/, (id) => String(BigInt(id) - 1n)),
  );
  if (position === null) throw new UmbelError('EVENT_ID_INVALID', { id: point });
  return position;
}

async function runForget(this: Command, consumer: string): Promise<void> {
  const isGone = await withDatabase(this, (db) => dropCursor(db, consumer));
  if (!isGone) throw new UmbelError('CONSUMER_NOT_FOUND', { consumer });
  console.log(`${consumer}: forgotten. A process that still serves it makes it anew, from then on.`);
}
