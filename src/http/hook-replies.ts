// Turns what a flow answered into the answer to the caller of its synchronous hook. Called by routes/hooks.ts.
import type { FastifyReply } from 'fastify';
import { UmbelError } from '../errors.ts';
import type { HookAnswer } from '../triggers/hooks.ts';

export interface Call {
  requestId: string;
  executionId: string;
}

/** What a flow sends may be a page; it gets no rights of this server's own pages. */
const SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'";
const BODILESS = new Set([204, 205, 304]);

/** Errors: `HOOK_FAILED`, `HOOK_TIMEOUT`. */
export function sendHookAnswer(
  reply: FastifyReply,
  { executionId }: Call,
  answer: HookAnswer | null,
): FastifyReply {
  void reply.header('x-execution-id', headerText(executionId));
  if (answer === null) throw new UmbelError('HOOK_TIMEOUT', { execution: executionId });
  if ('reply' in answer) return sendReply(reply, executionId, answer.reply);
  const { status, output } = answer.end;
  if (status !== 'success') throw new UmbelError('HOOK_FAILED', { execution: executionId, status });
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(output));
}

function sendReply(
  reply: FastifyReply,
  execution: string,
  { status, headers, body }: Extract<HookAnswer, { reply: unknown }>['reply'],
): FastifyReply {
  try {
    const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
    void reply.code(status).type(type).headers(headers).header('content-security-policy', SANDBOX);
  } catch (cause) {
    throw new UmbelError('HOOK_FAILED', { execution, status: 'its reply cannot be sent' }, { cause });
  }
  if (BODILESS.has(status)) return reply.removeHeader('content-type').send();
  return reply.send(typeof body === 'string' ? body : JSON.stringify(body));
}

/** Ids that a hand wrote may hold what no header may. */
function headerText(id: string): string {
  return encodeURIComponent(id);
}
