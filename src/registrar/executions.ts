// Reading executions, as http/ and cmd/ show them.
import { ExecStatus, type Json, type JsonObject } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { ExecutionRow, FoundExecution, ListFilter, ListPosition, TaskRow } from '../sql/executions.ts';
import { nameFailure } from './failure.ts';
import { type Circumstances, explainTask } from './why.ts';

/** Times are ISO 8601. */
export interface Execution {
  id: string;
  flow: string;
  version: string | null;
  status: string;
  input: Json;
  output: Json;
  error: Json;
  trigger: Json;
  tenant: string;
  parent: string | null;
  registeredAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  deadline: string | null;
}

export interface ExecutionTask {
  seq: number;
  step: string | null;
  program: string | null;
  status: string;
  execStatus: number;
  reason: string | null;
  attempt: number;
  priority: number;
  pool: string;
  params: JsonObject;
  input: Json;
  output: Json;
  error: Json;
  /** Why it does not run; null when it does or has. */
  why: string | null;
  registeredAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  suspendedAt: string | null;
  /** With which somebody else answers for it. */
  callbackToken?: string;
}

export interface ExecutionList {
  data: Execution[];
  /** Where the next page starts; not there on the last. */
  cursor?: string;
}

export interface ListRequest {
  tenant: string;
  flow?: string | undefined;
  status?: string | undefined;
  /** 1 to 500; default 50. */
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface ReadDeps {
  listExecutions: (filter: ListFilter) => Promise<ExecutionRow[]>;
  readExecution: (which: { tenant: string; id: string }) => Promise<FoundExecution | null>;
}

export interface ExecutionReader {
  /** Newest first. Errors: `QUERY_INVALID` for a cursor that no list gave, `DATABASE_UNREACHABLE`. */
  list: (request: ListRequest) => Promise<ExecutionList>;
  /** Errors: `EXECUTION_NOT_FOUND`, `DATABASE_UNREACHABLE`. */
  read: (which: { tenant: string; id: string }) => Promise<Execution & { tasks: ExecutionTask[] }>;
}

const PAGE = 50;

export function makeExecutionReader(deps: ReadDeps): ExecutionReader {
  return {
    async list({ tenant, flow, status, limit = PAGE, cursor }) {
      const after = cursor === undefined ? null : readCursor(cursor);
      const filter = { tenant, flow: flow ?? null, status: status ?? null, after, limit: limit + 1 };
      const rows = await nameFailure(deps.listExecutions(filter));
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      const data = page.map(toExecution);
      return rows.length > limit && last !== undefined ? { data, cursor: makeCursor(last) } : { data };
    },
    async read(which) {
      const found = await nameFailure(deps.readExecution(which));
      if (found === null) throw new UmbelError('EXECUTION_NOT_FOUND', { execution: which.id });
      const { execution, tasks, surroundings } = found;
      const bySeq = new Map(tasks.map((task) => [task.seq, task]));
      const circumstances = { ...surroundings, execution, tasks: bySeq };
      return { ...toExecution(execution), tasks: tasks.map((task) => toTask(task, circumstances)) };
    },
  };
}

function toExecution(row: ExecutionRow): Execution {
  const { id, flow, version, status, input, output, error, trigger, tenant, parent } = row;
  return {
    id,
    flow,
    version,
    status,
    input,
    output,
    error,
    trigger,
    tenant,
    parent,
    registeredAt: toIso(row.registeredAt),
    startedAt: toIso(row.startedAt),
    finishedAt: toIso(row.finishedAt),
    deadline: toIso(row.deadline),
  };
}

const STATUS_NAMES = new Map<number, string>(
  Object.entries(ExecStatus).map(([name, status]) => [status, name]),
);

function toTask(row: TaskRow, circumstances: Circumstances): ExecutionTask {
  const { step, program, execStatus, reason, attempt, pool, params, input, output, error } = row;
  return {
    seq: Number(row.seq),
    step,
    program,
    status: STATUS_NAMES.get(execStatus) ?? 'unknown',
    execStatus,
    reason,
    attempt,
    priority: Number(row.priority),
    pool,
    params,
    input,
    output,
    error,
    why: explainTask(row, circumstances),
    registeredAt: toIso(row.registeredAt),
    startedAt: toIso(row.startedAt),
    finishedAt: toIso(row.finishedAt),
    suspendedAt: toIso(row.suspendedAt),
    ...(row.callbackToken === null ? {} : { callbackToken: row.callbackToken }),
  };
}

/** `infinity`, which a hand may have written, is no Date. */
function toIso(time: Date | null): string | null {
  return time instanceof Date ? time.toISOString() : null;
}

export function makeCursor({ registeredText, id }: ListPosition): string {
  return Buffer.from(JSON.stringify([registeredText, id])).toString('base64url');
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

export function readCursor(cursor: string): ListPosition {
  const [registeredText, id] = parseList(Buffer.from(cursor, 'base64url').toString());
  if (
    typeof registeredText === 'string' &&
    TIME.test(registeredText) &&
    !Number.isNaN(Date.parse(registeredText))
  ) {
    if (typeof id === 'string' && !id.includes('\0')) return { registeredText, id };
  }
  const message = 'it is not a cursor that a list gave: start without one';
  throw new UmbelError('QUERY_INVALID', { problems: [{ path: 'cursor', message }] });
}

function parseList(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
