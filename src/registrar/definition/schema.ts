// The shapes of a flow and of its steps, as YAML, HTTP, TypeScript and the rows of ms_flow and ms_task_definition have them.
// The one source: checked by shape.ts, published as docs/flow.schema.json, and the types of the client.
import { type Static, Type } from 'typebox';
import { DURATION_FORM } from '../../dag/duration.ts';
import { type JsonObject, PRIORITY_MAX, PRIORITY_MIN } from '../../dag/vocabulary.ts';
import { closed, counting, described, listOf, mapOf, nameText, optional, text } from './schema-parts.ts';
import { flowSettings, TRIGGER_KEYS } from './trigger-schema.ts';

const Params = Type.Unsafe<JsonObject>({
  type: 'object',
  description: 'parameters of the program, any JSON',
});
export const Duration = Type.Unsafe<number | string>({
  anyOf: [
    { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    { type: 'string', pattern: '^(\\d{1,8}(s|m|h|d)|\\d{1,12}(ms)?)$' },
  ],
  title: `a duration (${DURATION_FORM})`,
});
const Expression = text({ minLength: 1, format: 'jsonata', description: 'a JSONata expression' });
const Program = nameText({ description: 'what runs: the name of a program' });
const Priority = Type.Integer({
  minimum: PRIORITY_MIN,
  maximum: PRIORITY_MAX,
  description: 'smaller is more urgent',
});
const Pool = nameText({ description: 'the pool of the watchers that run it' });
const ErrorNames = listOf(nameText(), 'names of errors; * is all');

const Retry = Type.Union(
  [
    counting(0),
    closed({
      limit: described(counting(0), 'how often it is tried again'),
      delay: optional(Duration, 'before the first retry; 1s'),
      factor: optional(Type.Number({ minimum: 1 }), 'from one delay to the next; 2'),
      maxDelay: optional(Duration, 'no delay is longer; 1m'),
      jitter: optional(Type.Enum(['full', 'none'])),
      on: optional(ErrorNames),
      notOn: optional(ErrorNames),
    }),
  ],
  { description: 'how often a failed attempt is tried again, and when' },
);

const Timeout = Type.Union(
  [
    Duration,
    closed({
      attempt: optional(Duration, 'of one attempt'),
      total: optional(Duration, 'of all attempts and the waits between them'),
      queue: optional(Duration, 'until the first attempt starts'),
      heartbeat: optional(Duration, 'between two signs of life'),
    }),
  ],
  { description: 'of an attempt, or of several things; 0 is none' },
);

const Aside = closed({
  program: Program,
  params: optional(Params),
  retry: optional(Retry),
  timeout: optional(Timeout),
});
const Catch = closed({
  errors: optional(ErrorNames),
  goto: optional(nameText(), 'the step to go on with'),
  continue: optional(Type.Boolean(), 'go on as if it had ended well'),
  result: optional(Expression),
});
const MapOver = closed({
  over: Expression,
  concurrency: optional(counting(1)),
  tolerate: optional(
    Type.Union([counting(0), text({ pattern: '^(\\d|[1-9]\\d|100)%$' })], {
      title: 'a number of elements or a share such as 10%',
    }),
  ),
});
const Join = Type.Union([Type.Enum(['all', 'any', 'allDone']), closed({ n: counting(1) })], {
  title: '"all", "any", "allDone" or {n: 2}',
});
const Edges = mapOf(Type.Enum(['succeeded', 'failed', 'always']));
const Concurrency = Type.Array(closed({ key: Expression, limit: counting(1) }));
const Rate = closed({ limit: counting(1), per: Duration, key: optional(Expression) });

/** Keys of a step that have a column of their own, and its name. */
export const STEP_COLUMNS = {
  id: 'step_id',
  program: 'program',
  params: 'params',
  priority: 'task_priority',
  pool: 'pool',
  after: 'after',
  before: 'before',
} as const;

/** What `ms_task_definition.options` may hold. */
const STEP_OPTIONS = {
  name: optional(text({ maxLength: 256 }), 'for people'),
  description: optional(text({ maxLength: 4096 })),
  when: optional(Expression, 'false: the step is skipped'),
  input: optional(Expression, 'what the step gets as input'),
  output: optional(nameText(), 'the name under which others find the result'),
  select: optional(Expression, 'over the result of the program'),
  join: optional(Join),
  edges: optional(Edges),
  conditions: optional(mapOf(Expression), 'which results lead here, by the step they come from'),
  edgeIds: optional(mapOf(text({ maxLength: 256 })), 'what a graph calls these edges'),
  retry: optional(Retry),
  timeout: optional(Timeout),
  catch: optional(Type.Array(Catch)),
  fallback: optional(Aside, 'runs once after the last failure'),
  allowFail: optional(Type.Boolean(), 'its failure lets the others go on'),
  compensate: optional(Aside, 'undoes the step when the execution fails later'),
  map: optional(MapOver, 'one task for each element of a list'),
  concurrency: optional(Concurrency),
  rate: optional(Rate),
  awaitCallback: optional(Type.Boolean()),
  credentials_id: optional(nameText(), 'for components: which credentials they use'),
  nodeSettings: optional(Params, 'for components: what else they are told'),
};

export const Step = closed(
  {
    id: nameText({ description: 'unique in the flow' }),
    program: Program,
    params: optional(Params),
    priority: optional(Priority),
    pool: optional(Pool),
    after: optional(listOf(nameText(), 'steps that must end first; all is every step that does not say all')),
    before: optional(listOf(nameText(), 'steps that wait for this one')),
    ...STEP_OPTIONS,
  },
  { description: 'One thing to do.' },
);

const Defaults = closed({
  retry: optional(Retry),
  timeout: optional(Timeout),
  priority: optional(Priority),
  pool: optional(Pool),
});

/** What `ms_flow.settings` may hold. */
const FLOW_SETTINGS = {
  defaults: optional(Defaults, 'for steps that do not say'),
  concurrency: optional(Concurrency),
  failFast: optional(Type.Boolean(), 'the first failure stops the other branches'),
  deadline: optional(Duration, 'of a whole execution'),
  inputSchema: optional(Params, 'a JSON Schema that the input must fit'),
  announce: optional(Type.Boolean(), 'its executions tell events, whether it is active or not'),
  onFailure: optional(nameText(), 'the flow to start when an execution fails'),
  flowSettings: optional(flowSettings(Duration), 'of its webhook or schedule'),
};

export const Flow = closed(
  {
    id: nameText({ description: 'what it is started by' }),
    name: optional(text({ maxLength: 256 }), 'for people'),
    description: optional(text({ maxLength: 4096 })),
    maxRunning: optional(counting(1), 'executions at once'),
    ...TRIGGER_KEYS,
    ...FLOW_SETTINGS,
    steps: Type.Array(Step, { minItems: 1 }),
  },
  { description: 'A flow of Umbel: steps, and what waits for what.' },
);

export const StepOptions = closed({ ...STEP_OPTIONS, priority: optional(Type.Enum([0])) });
export const FlowSettings = closed(FLOW_SETTINGS);

export type StepDefinition = Static<typeof Step>;
export type FlowDefinition = Static<typeof Flow>;
export type FlowHead = Omit<FlowDefinition, 'steps'>;
