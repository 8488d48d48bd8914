import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { builtinPrograms } from '../../support/builtin.ts';
import { makeRegistry } from '../../../src/programs/registry.ts';
import { makeRegistrar } from '../../../src/registrar/registrar.ts';
import { findTracer, traceOf } from '../../../src/watcher/trace.ts';
import { makeWatcher } from '../../../src/watcher/watcher.ts';
import { createDatabase } from '../../support/database.ts';

/** What an application that wants traces does before anything else. */
function registerSdk(): InMemorySpanExporter & { until: (count: number) => Promise<ReadableSpan[]> } {
  const exporter = new InMemorySpanExporter();
  let look = () => {};
  const processor = new SimpleSpanProcessor(exporter);
  const end = processor.onEnd.bind(processor);
  processor.onEnd = (span) => {
    end(span);
    look();
  };
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const until = (count: number) =>
    new Promise<ReadableSpan[]>((resolve) => {
      look = () => {
        const spans = exporter.getFinishedSpans();
        if (spans.length >= count) resolve(spans);
      };
      look();
    });
  return Object.assign(exporter, { until });
}

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

async function startListener() {
  const parents: (string | undefined)[] = [];
  const server = createServer((request, reply) => {
    parents.push(request.headers['traceparent'] as string | undefined);
    reply.end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { parents, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

/** A watcher on a database of its own, with a flow that calls `url` and then fails. */
async function startWatcher(url: string) {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { db } = database;
  await db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, step_id, program, params)
     values ('f', 1, 'call', 'http.request', jsonb_build_object('url', $1::text)), ('f', 2, 'fail', 'nope', '{}')`,
    [url],
  );
  const settled = Promise.withResolvers<void>();
  let count = 0;
  const watcher = makeWatcher({
    db,
    url: database.url,
    registry: makeRegistry(builtinPrograms),
    log: silentLogger(),
    pool: 'default',
    workers: 2,
    pollInterval: 50,
    lease: 15_000,
    release: '1',
    onTurn({ ended }) {
      count += ended.length;
      if (count === 2) settled.resolve();
    },
  });
  await watcher.start();
  onTestFinished(() => watcher.stop(1_000));
  const { register } = makeRegistrar({ db, wake: (pool, priority) => watcher.hint(pool, priority) });
  const { id } = await register({ flow: 'f', tenant: 'local', trigger: null });
  return { id, settled: settled.promise };
}

describe('with an SDK', () => {
  it('writes a span a task and one for the execution, all in the trace of the execution', async () => {
    const exporter = registerSdk();
    const { parents, url } = await startListener();
    const { id } = await startWatcher(url);
    const spans = await exporter.until(3);
    const { traceId, spanId } = traceOf(id);
    expect(traceId).toBe(id.replaceAll('-', ''));
    for (const span of spans) {
      expect(span.spanContext().traceId).toBe(traceId);
      expect(span.parentSpanContext?.spanId).toBe(spanId);
      expect(span.attributes).toMatchObject({ 'umbel.execution': id, 'umbel.flow': 'f' });
    }
    const [call, failed, execution] = spans;
    expect(spans.map(({ name }) => name)).toEqual(['http.request', 'nope', 'execution f']);
    expect(call?.attributes).toMatchObject({
      'umbel.step': 'call',
      'umbel.attempt': 1,
      'umbel.outcome': 'finished',
    });
    expect(failed?.attributes).toMatchObject({ 'error.type': 'UnknownProgramError' });
    expect(failed?.status.code).toBe(SpanStatusCode.ERROR);
    expect(execution?.attributes['umbel.status']).toBe('failed');
    expect(parents).toEqual([`00-${traceId}-${call?.spanContext().spanId}-01`]);
  });
});

describe('without an SDK', () => {
  it('has no tracer, and sends no trace header', async () => {
    expect(findTracer('1')).toBeUndefined();
    const { parents, url } = await startListener();
    const { settled } = await startWatcher(url);
    await settled;
    expect(parents).toEqual([undefined]);
  });
});

describe('the trace of an execution', () => {
  it('is the same wherever it is asked for, also for ids that a hand has made', () => {
    expect(traceOf('by hand')).toEqual(traceOf('by hand'));
    expect(traceOf('by hand').traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(traceOf('by hand').spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(traceOf('by hand 2').traceId).not.toBe(traceOf('by hand').traceId);
  });
});
