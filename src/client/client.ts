// The API as functions, over fetch. Part of the package's public entry.
import type { Json, JsonObject, Problem } from '../dag/vocabulary.ts';
import type { Changes } from '../registrar/definition/changes.ts';
import type { FlowVersion } from '../registrar/definition/flows.ts';
import type { FlowGraph } from '../registrar/definition/graph.ts';
import type { FlowDefinition, FlowHead, StepDefinition } from '../registrar/definition/schema.ts';
import type { Standing } from '../registrar/life-cycle/start-stop.ts';
import type { FlowView } from '../registrar/repository/view.ts';
import type { Execution, ExecutionTask } from '../registrar/executions.ts';
import type { TaskLogLine, TaskLogPage } from '../registrar/logs.ts';
import type { DefinedFlow } from './define-flow.ts';
import { type Answer, makeSend, type Send } from './send.ts';

export interface ClientOptions {
  /** Default: http://127.0.0.1:8000. */
  url?: string;
  /** Sent as `authorization: Bearer …`. */
  token?: string;
  fetch?: typeof fetch;
}

export interface ExecuteOptions {
  /** Of the execution; the same request again gives the same execution. */
  id?: string;
  input?: Json;
  /** Overrides parameters of the steps, by key. */
  params?: JsonObject;
  /** Of every task; -20 (most urgent) to 19. */
  priority?: number;
  /** Run this step and what comes after it, and leave out the others. */
  step?: string;
  /** Against the edges: the last steps first; with `step`, that one and what comes before it. */
  reverse?: boolean;
  /** The step whose result is that of the execution; default: the last ones'. */
  output?: string;
  /** How many of its tasks run at once. */
  concurrency?: number;
  /** How often a failed attempt is tried again in steps that do not say. */
  retries?: number;
  idempotencyKey?: string;
  /** How long it may take, in place of the flow's `deadline`: milliseconds or text such as `30m`; 0 is no limit. */
  timeout?: number | string;
}

/** What came of an execution; `open` when it had not ended within the wait. */
export interface Ended<Output> {
  id: string;
  status: 'success' | 'failed' | 'aborted' | 'compensation_failed' | 'open';
  /** null unless it is a success. */
  output: Output | null;
  error: Json;
}

export interface ListOptions {
  flow?: string;
  status?: string;
  /** 1 to 500; default 50. */
  limit?: number;
  cursor?: string;
}

export interface LogOptions {
  /** This level and what is worse; default: all. */
  level?: TaskLogLine['level'];
  /** 1 to 500; default 50. */
  limit?: number;
  /** Of the page before. */
  cursor?: string;
  /** How long to wait for a line when there is none yet: a duration, at most `30s`. */
  wait?: number | string;
}

export interface FlowListOptions {
  /** From 1. */
  page?: number;
  /** 1 to 100; default 10. */
  perPage?: number;
  status?: 'inactive' | 'starting' | 'active' | 'stopping';
  type?: string;
  /** Owned by this user. */
  user?: string;
  /** `createdAt`, `updatedAt` or `name`; with `-` before it, descending. */
  sort?: string;
  /** In name or description. */
  search?: string;
}

/** A step that was written; `warnings` name steps that do not exist yet. */
export interface WrittenStep {
  step: StepDefinition;
  warnings: Problem[];
}

/** Everything rejects with `UmbelHttpError` when the server says no, and with what fetch throws when it says nothing. */
export class UmbelClient {
  readonly flows: ReturnType<typeof makeFlows>;
  readonly executions: ReturnType<typeof makeExecutions>;
  readonly #send: Send;

  constructor(options: ClientOptions = {}) {
    this.#send = makeSend(options);
    this.flows = makeFlows(this.#send);
    this.executions = makeExecutions(this.#send);
  }

  /** Starts an execution; with `wait` (a duration, at most `5m`) it resolves when that has ended. */
  execute<Output>(
    flow: DefinedFlow<Output> | string,
    options: ExecuteOptions & { wait: number | string },
  ): Promise<Ended<Output>>;
  execute(flow: FlowDefinition | string, options?: ExecuteOptions): Promise<{ id: string }>;
  async execute(
    flow: FlowDefinition | string,
    options: ExecuteOptions & { wait?: number | string } = {},
  ): Promise<{ id: string } | Ended<unknown>> {
    const id = typeof flow === 'string' ? flow : flow.id;
    const { data } = await this.#send('POST', ['flows', id, 'executions'], options);
    return toStarted(data as { id: string }, options);
  }

  /** Starts an execution of steps that no flow holds. */
  executeSteps(
    steps: StepDefinition[],
    options: ExecuteOptions & { wait: number | string },
  ): Promise<Ended<unknown>>;
  executeSteps(steps: StepDefinition[], options?: ExecuteOptions): Promise<{ id: string }>;
  async executeSteps(
    steps: StepDefinition[],
    options: ExecuteOptions & { wait?: number | string } = {},
  ): Promise<{ id: string } | Ended<unknown>> {
    const { data } = await this.#send('POST', ['executions'], { ...options, steps });
    return toStarted(data as { id: string }, options);
  }
}

function toStarted(
  started: { id: string },
  { wait }: { wait?: number | string },
): { id: string } | Ended<unknown> {
  return wait === undefined ? started : { status: 'open', output: null, error: null, ...started };
}

function makeFlows(send: Send) {
  const at = (flow: string, ...rest: string[]) => ['flows', flow, ...rest];
  return {
    /** Creates or replaces a flow; says what changed. */
    define: async (flow: FlowDefinition): Promise<{ version: string | null; changes: Changes }> =>
      (await send('PUT', at(flow.id), flow)).meta as { version: string | null; changes: Changes },
    delete: async (flow: string): Promise<void> => void (await send('DELETE', at(flow))),
    /** The flow with its steps, whoever wrote them. */
    async lookup(flow: string): Promise<FlowDefinition> {
      const { data, meta } = await send('GET', at(flow, 'steps'));
      return { ...(meta as { flow: FlowHead }).flow, steps: data as StepDefinition[] };
    },
    /** Creates the flow when it is new. */
    createStep: async (flow: string, step: StepDefinition): Promise<WrittenStep> =>
      toWritten(await send('POST', at(flow, 'steps'), step)),
    /** With another id it is renamed, and the steps that name it follow. */
    replaceStep: async (flow: string, id: string, step: StepDefinition): Promise<WrittenStep> =>
      toWritten(await send('PUT', at(flow, 'steps', id), step)),
    /** `detach` takes it out of the steps that name it. */
    deleteStep: async (flow: string, id: string, { detach = false } = {}): Promise<void> =>
      void (await send('DELETE', at(flow, 'steps', id), undefined, detach ? { detach: '1' } : {})),
    /** The flow as a graph, with its status and owners. */
    get: async (flow: string) => (await send('GET', at(flow))).data as FlowView,
    /** A page of the flows that the caller sees. */
    async list(options: FlowListOptions = {}): Promise<{ flows: FlowView[]; total: number }> {
      const { page, perPage, status, type, user, sort, search } = options;
      const query = { 'page[number]': page, 'page[size]': perPage, sort, search };
      const filter = { 'filter[status]': status, 'filter[type]': type, 'filter[user]': user };
      const { data, meta } = await send('GET', ['flows'], undefined, { ...query, ...filter });
      return { flows: data as FlowView[], total: (meta as { total: number }).total };
    },
    /** Opens its hook or fires its schedule; says where it stands. */
    start: async (flow: string) => (await send('POST', at(flow, 'start'), {})).data as Standing,
    /** Its executions go on. */
    stop: async (flow: string) => (await send('POST', at(flow, 'stop'), {})).data as Standing,
    graph: async (flow: string) => (await send('GET', at(flow, 'graph'))).data as FlowGraph,
    /** Newest first. */
    versions: async (flow: string) => (await send('GET', at(flow, 'versions'))).data as FlowVersion[],
  };
}

function makeExecutions(send: Send) {
  const verb = (name: string) => async (id: string) =>
    void (await send('POST', ['executions', id, name], {}));
  return {
    get: async (id: string) =>
      (await send('GET', ['executions', id])).data as Execution & { tasks: ExecutionTask[] },
    /** What a task gave; rejects with `NOT_FINISHED` before that, with `TASK_FAILED` when there is none. */
    result: async (id: string, step: string) =>
      (await send('GET', ['executions', id, 'tasks', step, 'result'])).data as Json,
    /** Newest first; `cursor` leads to the next page. */
    async list(options: ListOptions = {}): Promise<{ executions: Execution[]; cursor?: string }> {
      const { data, meta } = await send('GET', ['executions'], undefined, options);
      return { executions: data as Execution[], ...(meta as { cursor?: string }) };
    },
    /** What a task logged, the oldest first; `cursor` leads to what comes after, and `done` says that nothing more will. */
    async logs(
      id: string,
      step: string,
      options: LogOptions = {},
    ): Promise<Omit<TaskLogPage, 'data'> & { lines: TaskLogLine[] }> {
      const { data, meta } = await send('GET', ['executions', id, 'tasks', step, 'logs'], undefined, options);
      return { lines: data as TaskLogLine[], ...(meta as Omit<TaskLogPage, 'data'>) };
    },
    pause: verb('pause'),
    /** `input` goes to the one task that waits for a signal. */
    resume: async (id: string, options: { input?: Json } = {}) =>
      void (await send('POST', ['executions', id, 'resume'], options)),
    /** Kept until a task waits for it; of an approval `value` is true or false. */
    signal: async (id: string, name: string, options: { value?: Json; comment?: string } = {}) =>
      void (await send('POST', ['executions', id, 'signals', name], options)),
    abort: verb('abort'),
  };
}

function toWritten({ data, meta }: Answer): WrittenStep {
  return { step: data as StepDefinition, ...(meta as { warnings: Problem[] }) };
}
