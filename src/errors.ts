// The catalogue of errors: every failure that reaches a person, with its HTTP status and its sentence.
// Everybody throws `UmbelError`; http/ maps it to an answer, cmd/ to one line and an exit code.
import type { Problem } from './dag/vocabulary.ts';
import { entry, type Entry } from './catalogue/entry.ts';
import { EVENT_ERRORS } from './catalogue/events.ts';
import { HOOK_ERRORS } from './catalogue/hooks.ts';
import { TASK_ERRORS } from './catalogue/tasks.ts';
import { SERVICE_ERRORS } from './catalogue/services.ts';

export const ERRORS = {
  CONFIG_INVALID: entry(500, (d: { problems: string[] }) => lines('Bad settings', d.problems)),
  ...SERVICE_ERRORS,
  FLOW_NOT_FOUND: entry(
    404,
    (d: { flow: string; text?: string | undefined }) => d.text ?? 'no tasks registered',
  ),
  FLOW_NOT_INACTIVE: entry(
    409,
    (d: { flow: string; status: string }) => `Flow is not inactive. Current status: ${d.status}`,
  ),
  COMPONENT_NOT_FOUND: entry(404, (d: { component: string }) => `No component has the id "${d.component}".`),
  COMPONENT_EXISTS: entry(
    409,
    (d: { component: string }) => `There is a component "${d.component}" already: choose another id.`,
  ),
  COMPONENT_INVALID: entry(400, (d: { problems: Problem[] }) =>
    lines('The component is not valid', d.problems.map(problemLine)),
  ),
  COMPONENT_NOT_INACTIVE: entry(
    409,
    (d: { component: string; status: string }) =>
      `The component "${d.component}" is ${d.status}: stop it first.`,
  ),
  COMPONENT_NOT_GLOBAL: entry(
    409,
    (d: { component: string }) =>
      `The component "${d.component}" is not global: it starts and stops with its flows.`,
  ),
  FLOW_INVALID: entry(400, (d: { flow?: string | undefined; problems: Problem[] }) =>
    lines('The flow is not valid', d.problems.map(problemLine)),
  ),
  EXECUTION_NOT_FOUND: entry(404, (d: { execution: string }) => `No execution has the id "${d.execution}".`),
  CALLBACK_NOT_FOUND: entry<object>(
    404,
    () => 'No task waits for this callback: its token is unknown, or has been used.',
  ),
  EXECUTION_ENDED: entry(
    409,
    (d: { execution: string; status: string; verb: string }) =>
      `The execution "${d.execution}" cannot be ${d.verb}: it has ended (${d.status}).`,
  ),
  STEP_NOT_FOUND: entry(
    404,
    (d: { flow: string; step: string; near: string }) => `"${d.flow}" has no step "${d.step}"${d.near}.`,
  ),
  STEP_EXISTS: entry(
    409,
    (d: { flow: string; step: string }) =>
      `"${d.flow}" has a step "${d.step}" already: replace it, or choose another id.`,
  ),
  STEP_REQUIRED: entry(
    409,
    (d: { step: string; by: string[] }) =>
      `"${d.step}" is named by ${d.by.map((id) => `"${id}"`).join(', ')}: change them first, or detach it from them.`,
  ),
  SCHEDULE_NOT_FOUND: entry(404, (d: { flow: string }) => `"${d.flow}" has no cron, so it has no schedule.`),
  SCHEDULE_INACTIVE: entry(
    409,
    (d: { flow: string; status: string }) =>
      `The schedule of "${d.flow}" does not run: the flow is ${d.status}. Start it first.`,
  ),
  FLOW_EXISTS: entry<{ flow: string }>(409, () => 'Flow id is taken.'),
  EXECUTION_EXISTS: entry(
    409,
    (d: { execution: string }) =>
      `There is an execution "${d.execution}" already, started with another request: choose another id.`,
  ),
  DEFINITION_INVALID: entry(422, (d: { flow: string; problems: Problem[] }) =>
    lines(`The definition of "${d.flow}" is not valid`, d.problems.map(problemLine)),
  ),
  INPUT_INVALID: entry(422, (d: { flow: string; problems: Problem[] }) =>
    lines(`The input does not fit the inputSchema of "${d.flow}"`, d.problems.map(problemLine)),
  ),
  BODY_MALFORMED: entry(400, (d: { reason: string }) => `The request body cannot be read: ${d.reason}.`),
  BODY_INVALID: entry(400, (d: { problems: Problem[] }) =>
    lines('The request body is not valid', d.problems.map(problemLine)),
  ),
  QUERY_INVALID: entry(400, (d: { problems: Problem[] }) =>
    lines('The query is not valid', d.problems.map(problemLine)),
  ),
  PATH_INVALID: entry(400, (d: { reason: string }) => `The path cannot be read: ${d.reason}.`),
  BODY_TOO_LARGE: entry(413, (d: { limit: number }) => `The request body is larger than ${d.limit} bytes.`),
  BODY_SLOW: entry(408, (d: { seconds: number }) => `The request body did not arrive within ${d.seconds} s.`),
  MEDIA_TYPE_UNSUPPORTED: entry(
    415,
    (d: { mediaType: string; known?: string }) =>
      `Cannot read a body of type "${d.mediaType}": send ${d.known ?? 'application/json'}.`,
  ),
  HEADER_INVALID: entry(
    400,
    (d: { header: string; reason: string }) => `The header ${d.header} ${d.reason}.`,
  ),
  METHOD_NOT_ALLOWED: entry(
    405,
    (d: { method: string; path: string; allowed: string[] }) =>
      `${d.method} is not allowed on ${d.path}: use ${d.allowed.join(' or ')}.`,
  ),
  ROUTE_NOT_FOUND: entry(404, (d: { method: string; path: string }) => `There is no ${d.method} ${d.path}.`),
  MISSING_PERMISSION: entry(
    403,
    (d: { permission: string }) => `This needs the permission "${d.permission}".`,
  ),
  FOREIGN_PAGE: entry(403, (d: { reason: string }) => `The request is refused: ${d.reason}.`),
  DEFINITION_CHANGING: entry(
    503,
    (d: { flow: string }) =>
      `The definition of "${d.flow}" changes faster than it can be registered; try again.`,
  ),
  QUEUE_FULL: entry(
    503,
    (d: { waiting: number }) => `${d.waiting} requests wait for the database already; try again in a moment.`,
  ),
  ...EVENT_ERRORS,
  ...HOOK_ERRORS,
  ...TASK_ERRORS,
  CONFLICT: entry(409, (d: { reason: string }) => d.reason),
  INTERNAL: entry<object>(500, () => 'Something went wrong inside the server; its log has the details.'),
} as const;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorDetails<C extends ErrorCode> = Parameters<(typeof ERRORS)[C]['message']>[0];

/** An error of the catalogue. `details` are the values that its message was made of; `cause` is what led to it. */
export class UmbelError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly status: number;
  readonly details: ErrorDetails<C>;

  constructor(code: C, details: ErrorDetails<C>, options?: { cause?: unknown }) {
    const known = ERRORS[code] as unknown as Entry<ErrorDetails<C>>;
    super(known.message(details), options);
    this.name = 'UmbelError';
    this.code = code;
    this.status = known.status;
    this.details = details;
  }
}

/** Whether `error` is of the catalogue and, when a code is given, of that code. */
export function isUmbelError<C extends ErrorCode>(error: unknown, code?: C): error is UmbelError<C> {
  return error instanceof UmbelError && (code === undefined || error.code === code);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function problemLine(problem: Problem): string {
  return problem.path === '' ? problem.message : `${problem.path}: ${problem.message}`;
}

function lines(title: string, problems: string[]): string {
  return problems.length === 1 ? `${title}: ${problems[0]}` : [`${title}:`, ...problems].join('\n  - ');
}
