// Events through the outbox to one consumer: written beforehand, a thousand a transaction, and read by a consumer whose handler counts them.
import { startBell } from '../../src/events/bell.ts';
import { startConsumer } from '../../src/events/consumer.ts';
import { silentLogger } from '../../src/log.ts';
import { umbel } from '../contenders/umbel.ts';
import type { CaseContext, Sample, Shape } from '../shape.ts';
import { openPool } from '../umbel/database.ts';

const A_TRANSACTION = 1_000;
const EMIT = `select umbel_emit_v1(array_agg('bench.event'::text), array_agg('local'::text), array_agg(jsonb_build_object('n', n))) from generate_series(1, $1::int) n`;

export const events: Shape = {
  name: 'events',
  title: 'Events: from the outbox to one consumer',
  headline: { figure: 'eventsPerSecond', unit: 'events/s', better: 'more' },
  cases: { umbel: { contender: umbel, run } },
};

async function run({ url, tasks }: CaseContext): Promise<Sample> {
  const db = openPool(url, 'umbel bench');
  const log = silentLogger();
  const bell = startBell(url, log);
  try {
    const writing = performance.now();
    for (let n = 0; n < tasks; n += A_TRANSACTION)
      await db.pool.query(EMIT, [Math.min(A_TRANSACTION, tasks - n)]);
    const wrote = performance.now() - writing;
    const done = Promise.withResolvers<void>();
    let handled = 0;
    const began = performance.now();
    const consumer = startConsumer(
      { db, bell, log, service: 'bench' },
      {
        name: 'bench',
        from: 'start',
        async handle(batch) {
          handled += batch.length;
          if (handled >= tasks) done.resolve();
        },
      },
    );
    await done.promise;
    const read = performance.now() - began;
    await consumer.stop();
    return {
      figures: { eventsPerSecond: (handled * 1_000) / read, writtenPerSecond: (tasks * 1_000) / wrote },
      settings: { events: tasks, perTransaction: A_TRANSACTION },
    };
  } finally {
    await bell.stop();
    await db.close();
  }
}
