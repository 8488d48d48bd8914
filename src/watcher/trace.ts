// Traces through the OpenTelemetry API: a span a task, all of an execution in one trace whose id is made of the execution's, so that
// every process attaches to the same. Used by watcher.ts when an SDK is registered; without one nothing of this runs.
import { createHash } from 'node:crypto';
import {
  context,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import type { Logger } from '../log.ts';
import type { Ended } from '../sql/ended.ts';
import type { Database } from '../sql/database.ts';
import { readEndedExecutions, type EndedExecution } from '../sql/traces.ts';
import type { RunAttempt } from './run-attempt.ts';

/** The tracer of the SDK that this process has registered; undefined: it has none. */
export function findTracer(release: string): Tracer | undefined {
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer('umbel', release)
    : provider.getTracer('umbel', release);
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** The trace of an execution, and the span in it that all others have as parent: the same in every process. */
export function traceOf(execution: string): SpanContext {
  const hex = UUID.test(execution)
    ? execution.replaceAll('-', '')
    : createHash('sha256').update(execution).digest('hex').slice(0, 32);
  return { traceId: hex, spanId: hex.slice(16), traceFlags: TraceFlags.SAMPLED, isRemote: true };
}

function contextOf(execution: string): Context {
  return trace.setSpanContext(ROOT_CONTEXT, traceOf(execution));
}

/** The same function, with a span around each attempt that is the active one for what the program does. */
export function traceTasks(tracer: Tracer, run: RunAttempt): RunAttempt {
  return async (registry, attempt, limits, stop) => {
    const parent = contextOf(attempt.execution.id);
    const attributes = {
      'umbel.execution': attempt.execution.id,
      'umbel.flow': attempt.execution.flow,
      'umbel.step': attempt.step.id,
      'umbel.attempt': attempt.attempt,
    };
    const span = tracer.startSpan(attempt.program ?? 'unknown program', { attributes }, parent);
    const outcome = await context.with(
      trace.setSpan(parent, span),
      run,
      undefined,
      registry,
      attempt,
      limits,
      stop,
    );
    span.setAttribute('umbel.outcome', outcome.kind);
    if (outcome.kind === 'failed') {
      const { name, message } = outcome.error;
      span.setAttribute('error.type', name);
      span.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    span.end();
    return outcome;
  };
}

/** Returns what writes a span for each execution that ended with one of these attempts. */
export function traceExecutions(tracer: Tracer, db: Database, log: Logger): (ended: Ended[]) => void {
  return (ended) => {
    const last = ended.filter(({ status }) => status !== 'waiting' && status !== 'outside');
    if (last.length === 0) return;
    readEndedExecutions(db, last)
      .then((executions) => executions.forEach((execution) => writeSpan(tracer, execution)))
      .catch((error: unknown) => log.debug({ err: error }, 'the spans of executions were not written'));
  };
}

function writeSpan(tracer: Tracer, { id, flow, status, registered, finished }: EndedExecution): void {
  const attributes = { 'umbel.execution': id, 'umbel.flow': flow, 'umbel.status': status };
  const span = tracer.startSpan(
    `execution ${flow}`,
    { attributes, startTime: registered, root: false },
    contextOf(id),
  );
  if (status === 'failed') span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(finished);
}
