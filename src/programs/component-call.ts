// One call of a component: the message that it gets, and what comes back. Called by component-program.ts; rpc-call.ts shares the headers.
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { readAnswer } from './http-answer.ts';
import type { CallOut, OutboundCall } from './outbound.ts';
import type { Processes } from './processes.ts';
import { NonRetryable } from './program-error.ts';
import type { Context } from './program.ts';

interface Called {
  id: string;
  kind: 'program' | 'http' | 'process';
  settings: JsonObject;
}

interface Deps {
  callOut: CallOut;
  processes: Processes;
}

/** Bytes of an answer of a process, when it does not say. */
const MOST = 1024 * 1024;

export async function callComponent(
  { callOut, processes }: Deps,
  { id, kind, settings }: Called,
  action: string,
  context: Context,
  signal: AbortSignal,
): Promise<Json> {
  const message = makeMessage(action, context);
  switch (kind) {
    case 'http': {
      const url = `${(settings['address'] as string).replace(/\/+$/, '')}/${encodeURIComponent(action)}`;
      return post(callOut, { url, body: message, headers: tellHeaders(context), signal });
    }
    case 'process': {
      const run = settings['mode'] === 'sync' ? processes.ask : processes.runOnce;
      const maxBytes = Number(settings['maxBytes'] ?? MOST);
      return run({ argv: settings['argv'] as string[], message, maxBytes, signal });
    }
    case 'program': {
      const text = `the component "${id}" has its functions as programs of watchers, and this one has no "${id}.${action}"`;
      throw new NonRetryable(text, { name: 'UnknownProgramError' });
    }
  }
}

/** As components of Open Integration Hub expect it: the input is a message already, or the data of one. */
function makeMessage(action: string, { input, params, execution, step, attempt }: Context): JsonObject {
  const given = isMessage(input) ? input : { data: input };
  return {
    attachments: {},
    headers: {},
    metadata: {},
    ...given,
    data: given['data'] ?? given['body'] ?? {},
    function: action,
    fields: params as JsonObject,
    execution: { ...execution, step: step.id, attempt },
  };
}

const PARTS = ['data', 'body', 'headers', 'metadata', 'attachments'];

function isMessage(input: Json): input is JsonObject {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false;
  return PARTS.some((part) => Object.hasOwn(input, part));
}

/** Posts JSON and gives the body of the answer. */
export async function post(
  callOut: CallOut,
  request: { url: string; body: Json | undefined; headers: Record<string, string>; signal: AbortSignal },
): Promise<Json> {
  const call: OutboundCall = {
    method: 'POST',
    url: request.url,
    headers: { 'content-type': 'application/json', ...request.headers },
    body: JSON.stringify(request.body ?? null),
    signal: request.signal,
    expects: (status) => status >= 200 && status < 300,
  };
  const { body } = await readAnswer(await callOut(call), call);
  return body === '' ? null : body;
}

/** What services are told of who calls them. */
export function tellHeaders({ execution, step, attempt, idempotencyKey }: Context): Record<string, string> {
  const told = {
    'x-flow': execution.flow,
    'x-execution': execution.id,
    'x-step': step.id,
    'x-attempt': String(attempt),
    'idempotency-key': idempotencyKey,
  };
  return Object.fromEntries(Object.entries(told).map(([name, value]) => [name, toHeader(value)]));
}

/** Ids may hold anything, headers may not. */
function toHeader(text: string): string {
  return text.replace(/[^\x21-\x24\x26-\x7e]/gu, (character) => encodeURIComponent(character));
}
