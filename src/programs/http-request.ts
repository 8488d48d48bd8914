// The program `http.request`: any method, own headers, own idea of success.
import { Type, type Static } from 'typebox';
import { parseDuration } from '../dag/duration.ts';
import type { Json } from '../dag/vocabulary.ts';
import { readAnswer, type HttpResult } from './http-answer.ts';
import { describePlace, type CallOut, type OutboundCall } from './outbound.ts';
import { invalidParameters, ProgramError } from './program-error.ts';
import { defineProgram, type Context, type Program } from './program.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const TIMEOUT_LIMIT = 86_400_000;
const STATUS = Type.Union([
  Type.Integer({ minimum: 100, maximum: 599 }),
  Type.String({ pattern: '^[1-5]([0-9]{2}|xx)$' }),
]);

const PARAMS = Type.Object(
  {
    method: Type.Optional(
      Type.Enum([...METHODS], { description: 'Default: GET, or POST when there is a body.' }),
    ),
    url: Type.String({ description: 'http or https.' }),
    headers: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Union([Type.String(), Type.Number(), Type.Boolean()], { writeOnly: true, title: 'text' }),
        {
          description: 'Request headers, an object.',
          writeOnly: true,
        },
      ),
    ),
    body: Type.Optional(
      Type.Unknown({
        description: 'Text is sent as it stands, any other JSON as JSON text.',
        writeOnly: true,
      }),
    ),
    timeout: Type.Optional(
      Type.Union(
        [Type.Number({ exclusiveMinimum: 0 }), Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$' })],
        {
          title: 'a duration such as 500ms, 3s or 5m',
          description: 'Time for the whole answer, a duration up to 1d. Default: 30s.',
        },
      ),
    ),
    expect: Type.Optional(
      Type.Union([STATUS, Type.Array(STATUS, { minItems: 1 })], {
        title: 'a status such as 200, a class such as 2xx, or a list of them',
        description:
          'What counts as success: a status, a class such as `2xx`, or a list of them. Default: 2xx.',
      }),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof PARAMS>;

/** The program, sending what it sends through `callOut`. */
export function makeHttpRequest(callOut: CallOut): Program<Params> {
  return defineProgram({
    name: 'http.request',
    description: 'Makes an HTTP request; an expected status is a success.',
    params: PARAMS,
    run: (context) => request(callOut, context),
  });
}

async function request(callOut: CallOut, context: Context<Params>): Promise<HttpResult> {
  const timeout = readTimeout(context.params.timeout ?? '30s');
  // AbortSignal.any and AbortSignal.timeout would cost a tenth of the call.
  const ending = new AbortController();
  const stop = () => ending.abort(context.signal.reason);
  const call = makeCall(context, ending.signal);
  const timer = setTimeout(() => ending.abort(failLate(call, timeout)), timeout);
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  try {
    return await readAnswer(await callOut(call), call);
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener('abort', stop);
  }
}

function failLate({ method, url }: OutboundCall, timeout: number): ProgramError {
  const place = describePlace(method, new URL(url));
  return new ProgramError(`${place}: no complete answer within ${timeout} ms`, { name: 'TimeoutError' });
}

function makeCall({ params, idempotencyKey }: Context<Params>, signal: AbortSignal): OutboundCall {
  const { url, expect = '2xx' } = params;
  const body = writeBody(params.body as Json | undefined);
  const method = params.method ?? (body === undefined ? 'GET' : 'POST');
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw invalidParameters(`parameters.body: a ${method} request cannot carry one; choose another method`);
  const headers = { 'idempotency-key': idempotencyKey, ...contentType(body), ...lowerNames(params.headers) };
  return { method, url, headers, body, signal, expects: makeExpects([expect].flat()) };
}

// A parameter pair without a value arrives as '': no body either.
function writeBody(body: Json | undefined): string | undefined {
  if (body === undefined || body === null || body === '') return undefined;
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function contentType(body: string | undefined): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': isJson(body) ? 'application/json' : 'text/plain;charset=UTF-8' };
}

function isJson(body: string): boolean {
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}

function lowerNames(headers: Params['headers'] = {}): Record<string, string> {
  const pairs = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)] as const);
  return Object.fromEntries(pairs);
}

function makeExpects(expected: (number | string)[]): (status: number) => boolean {
  const texts = new Set(expected.map(String));
  return (status) => texts.has(String(status)) || texts.has(`${Math.floor(status / 100)}xx`);
}

function readTimeout(text: number | string): number {
  const timeout = parseDuration(text);
  if (timeout === undefined || timeout > TIMEOUT_LIMIT)
    throw invalidParameters(`parameters.timeout: must be at most 1d, got ${text}`);
  return Math.max(1, Math.ceil(timeout));
}
