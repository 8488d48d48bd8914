// Reading what programs logged: of one task, as it comes if asked to, and of a step over all executions of its flow. Used by http/ and cmd/.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { findTasks } from '../sql/control.ts';
import type { Database } from '../sql/database.ts';
import { readStatus } from '../sql/executions.ts';
import {
  hasStep,
  type LogLevel,
  type LogPosition,
  readStepLog,
  readTaskLog,
  type StepLine,
  type StepLogPosition,
  type StoredLine,
} from '../sql/logs.ts';
import { nameFailure } from './failure.ts';

export interface TaskLogLine {
  /** ISO 8601. */
  time: string;
  level: LogLevel;
  attempt: number;
  message: string;
  fields: Json;
}

export interface TaskLogRequest {
  tenant: string;
  id: string;
  /** The id of a step, or the exec seq of a task. */
  step: string;
  /** This level and what is worse; default: all. */
  level?: LogLevel | undefined;
  /** Where to go on: of the page before. */
  cursor?: string | undefined;
  /** 1 to 500; default 50. */
  limit?: number | undefined;
}

export interface TaskLogPage {
  /** The oldest first. */
  data: TaskLogLine[];
  /** Where to go on, now or later; not there as long as there was no line. */
  cursor?: string;
  /** The task has ended and these were its last lines. A rerun may add more. */
  done: boolean;
}

export interface StepLogPage {
  /** The newest execution first, and of each the newest first. */
  data: { timestamp: string; message: string }[];
  /** Of the next page; not there on the last. */
  cursor?: string;
}

export interface LogReader {
  /** `wait` ms for a line when there is none yet. Errors: `EXECUTION_NOT_FOUND`, `TASK_NOT_FOUND`, `QUERY_INVALID`. Rejects when `signal` aborts. */
  readTask: (request: TaskLogRequest, wait?: number, signal?: AbortSignal) => Promise<TaskLogPage>;
  /** Errors: `STEP_NOT_FOUND`, `QUERY_INVALID`. */
  readStep: (request: {
    tenant: string;
    flow: string;
    step: string;
    cursor?: string | undefined;
    limit?: number | undefined;
  }) => Promise<StepLogPage>;
}

const PAGE = 50;
/** Milliseconds between looks of one who waits: at first, and at most. */
const LOOKS = { first: 50, longest: 500, factor: 1.5 };

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export function makeLogReader(db: Database): LogReader {
  return {
    async readTask(request, wait = 0, signal) {
      const { tenant, id, step, level = 'debug', limit = PAGE, cursor } = request;
      const after = cursor === undefined ? { attempt: 0, line: 0 } : readCursor(cursor);
      const seq = await nameFailure(findTask(db, { tenant, id, step }));
      const levels = LOG_LEVELS.slice(LOG_LEVELS.indexOf(level));
      const look = () =>
        nameFailure(readTaskLog(db.kysely, { flow: id, seq, levels, after, limit: limit + 1 }));
      return toPage(await lookUntil(look, wait, signal), limit, cursor);
    },
    async readStep({ tenant, flow, step, cursor, limit = PAGE }) {
      const before = cursor === undefined ? null : readStepCursor(cursor);
      if (!(await nameFailure(hasStep(db.kysely, { tenant, flow, step }))))
        throw new UmbelError('STEP_NOT_FOUND', { flow, step, near: '' });
      const lines = await nameFailure(
        readStepLog(db.kysely, { tenant, flow, step, before, limit: limit + 1 }),
      );
      return toStepPage(lines, limit);
    },
  };
}

type Found = Awaited<ReturnType<typeof readTaskLog>>;

async function lookUntil(
  look: () => Promise<Found>,
  wait: number,
  signal: AbortSignal | undefined,
): Promise<NonNullable<Found>> {
  const until = performance.now() + wait;
  for (let pause = LOOKS.first; ; pause = Math.min(pause * LOOKS.factor, LOOKS.longest)) {
    const found = (await look()) ?? { lines: [], ended: true };
    const left = until - performance.now();
    if (found.lines.length > 0 || found.ended || left <= 0) return found;
    await sleep(Math.min(pause, left), undefined, signal === undefined ? {} : { signal });
  }
}

async function findTask(
  db: Database,
  { tenant, id, step }: { tenant: string; id: string; step: string },
): Promise<string> {
  if ((await readStatus(db.kysely, { tenant, id })) === null)
    throw new UmbelError('EXECUTION_NOT_FOUND', { execution: id });
  const [task] = await findTasks(db.kysely, [id], step);
  if (task === undefined) throw new UmbelError('TASK_NOT_FOUND', { execution: id, step });
  return task.seq;
}

function toPage(
  { lines, ended }: NonNullable<Found>,
  limit: number,
  before: string | undefined,
): TaskLogPage {
  const page = lines.slice(0, limit);
  const last = page.at(-1);
  const cursor = last === undefined ? before : `${last.attempt}.${last.line}`;
  const done = ended && lines.length <= limit;
  return { data: page.map(toLine), done, ...(cursor === undefined ? {} : { cursor }) };
}

function toLine({ time, level, attempt, message, fields }: StoredLine): TaskLogLine {
  return { time: time.toISOString(), level, attempt, message, fields };
}

function readCursor(cursor: string): LogPosition {
  const found = /^(\d{1,9})\.(\d{1,9})$/.exec(cursor);
  if (found === null) throw refuseCursor();
  return { attempt: Number(found[1]), line: Number(found[2]) };
}

function toStepPage(lines: StepLine[], limit: number): StepLogPage {
  const page = lines.slice(0, limit);
  const last = page.at(-1);
  const data = page.map(({ time, message }) => ({ timestamp: time.toISOString(), message }));
  return lines.length > limit && last !== undefined ? { data, cursor: makeStepCursor(last) } : { data };
}

function makeStepCursor({ registeredText, flow, seq, attempt, line }: StepLogPosition): string {
  return Buffer.from(JSON.stringify([registeredText, flow, seq, attempt, line])).toString('base64url');
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

function readStepCursor(cursor: string): StepLogPosition {
  const [registeredText, flow, seq, attempt, line] = parseList(Buffer.from(cursor, 'base64url').toString());
  const isTime =
    typeof registeredText === 'string' &&
    TIME.test(registeredText) &&
    !Number.isNaN(Date.parse(registeredText));
  const isFlow = typeof flow === 'string' && !flow.includes('\0');
  const isSeq = typeof seq === 'string' && /^\d{1,20}(\.\d{1,20})?$/.test(seq);
  if (isTime && isFlow && isSeq && isCount(attempt) && isCount(line))
    return { registeredText, flow, seq, attempt, line };
  throw refuseCursor();
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

function parseList(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function refuseCursor(): UmbelError {
  const message = 'it is not a cursor that a list gave: start without one';
  return new UmbelError('QUERY_INVALID', { problems: [{ path: 'cursor', message }] });
}
