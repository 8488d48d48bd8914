// Turns whatever a route throws, and whatever fastify refuses by itself, into a status and a body.
// Called by app.ts for all routes; routes/register.ts puts its own form around `describeFailure`.
import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify';
import { didYouMean } from '../dag/near.ts';
import type { Problem } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { HttpLog } from './app.ts';

/** What an answer says about an error; `name` is its code in the catalogue. */
export interface Failure {
  status: number;
  name: string;
  message: string;
  problems: Problem[];
}

export interface ErrorItem {
  message: string;
  code: number;
  error: string;
  path?: string;
}

/** Seconds after which a caller that got 503 may try again. */
const RETRY_AFTER = '2';

const LIMIT = 1 << 20;

/** Answers in the general form: `{errors: [{message, code, error, path?}]}`. */
export function makeErrorHandler(log: HttpLog) {
  return function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const failure = describeFailure(error, request);
    logFailure(log, error, failure, request);
    void startReply(reply, failure).send({ errors: listErrors(failure) });
  };
}

export function logFailure(
  log: HttpLog,
  error: unknown,
  failure: Failure,
  { method, url }: FastifyRequest,
): void {
  if (failure.status >= 500) log.error({ err: error, method, url, status: failure.status }, 'request failed');
}

export function startReply(reply: FastifyReply, { status }: Failure): FastifyReply {
  if (status === 503) void reply.header('retry-after', RETRY_AFTER);
  return reply.code(status).type('application/json; charset=utf-8');
}

export function listErrors({ status, name, message, problems }: Failure): ErrorItem[] {
  if (problems.length === 0) return [{ message, code: status, error: name }];
  return problems.map((problem) => ({
    message: problem.message,
    code: status,
    error: name,
    ...(problem.path === '' ? {} : { path: problem.path }),
  }));
}

/** Anything that is not expected becomes INTERNAL: its own words stay in the log. */
export function describeFailure(error: unknown, request: FastifyRequest): Failure {
  const known = error instanceof UmbelError ? error : translate(error as FastifyError, request);
  const { code: name, status } = known;
  const details = known.details as object;
  const message =
    status === 503 && name === 'DATABASE_UNREACHABLE'
      ? 'The database does not answer; try again in a moment.'
      : known.message;
  return { status, name, message, problems: readProblems(details) };
}

function readProblems(details: object): Problem[] {
  return 'problems' in details ? (details.problems as Problem[]) : [];
}

function translate(error: FastifyError, request: FastifyRequest): UmbelError {
  if (error.validation !== undefined)
    return describeValidation(error.validation, error.validationContext, request);
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new UmbelError('BODY_TOO_LARGE', { limit: LIMIT });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_TYPE':
      return new UmbelError('MEDIA_TYPE_UNSUPPORTED', {
        mediaType: request.headers['content-type'] ?? 'none',
      });
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new UmbelError('BODY_MALFORMED', { reason: error.message });
    case 'FST_ERR_BAD_URL':
      return new UmbelError('PATH_INVALID', { reason: 'its percent-encoding is broken' });
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new UmbelError('PATH_INVALID', { reason: 'it is too long' });
    default:
      return new UmbelError('INTERNAL', {}, { cause: error });
  }
}

function describeValidation(
  found: FastifySchemaValidationError[],
  context: string | undefined,
  request: FastifyRequest,
): UmbelError {
  const schema = request.routeOptions.schema?.[context === 'querystring' ? 'querystring' : 'body'];
  const known = Object.keys((schema as { properties?: object } | undefined)?.properties ?? {});
  const problems = found
    .filter(({ keyword }) => !REPEATS.has(keyword))
    .flatMap((one) => describeOne(one, known));
  return new UmbelError(context === 'body' ? 'BODY_INVALID' : 'QUERY_INVALID', { problems });
}

/** Keywords whose errors only say again what another error says. */
const REPEATS = new Set(['boolean', 'const']);

function describeOne(
  { keyword, instancePath, params, message }: FastifySchemaValidationError,
  known: string[],
): Problem[] {
  const path = instancePath.slice(1).replaceAll('/', '.');
  const extra = params['additionalProperties'];
  if (keyword === 'additionalProperties' && Array.isArray(extra)) {
    return extra.map((key: string) => ({
      path: key,
      message: `"${key}" is not known${didYouMean(key, known)}`,
    }));
  }
  return [{ path, message: describeRule(keyword, params, message) }];
}

function describeRule(keyword: string, params: Record<string, unknown>, message = 'is not valid'): string {
  const { type, allowedValues: allowed } = params;
  if (keyword === 'type')
    return `must be ${type === 'object' || type === 'integer' ? 'an' : 'a'} ${String(type)}`;
  if (keyword === 'enum' && Array.isArray(allowed)) return `must be one of ${allowed.join(', ')}`;
  return message;
}
