// Errors of webhooks: in the general form, but for a hook that is not open, whose answer is that of Open Integration Hub.
// Every one is counted. Used by routes/hooks.ts.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isUmbelError } from '../errors.ts';
import type { Hooks } from '../triggers/hooks.ts';
import type { HttpLog } from './app.ts';
import { describeFailure, listErrors, logFailure, startReply } from './errors.ts';

export function makeHookErrorHandler(hooks: Pick<Hooks, 'count'>, log: HttpLog) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const failure = describeFailure(error, request);
    hooks.count(failure.name.toLowerCase());
    if (!isUmbelError(error) || failure.status === 500) logFailure(log, error, failure, request);
    if (isUmbelError(error, 'HOOK_RATE')) void reply.header('retry-after', String(error.details.seconds));
    // Of the rest of a body that is too large or too slow nothing shall be read.
    if (failure.status === 413 || failure.status === 408) void reply.header('connection', 'close');
    const body =
      failure.name === 'HOOK_CLOSED' ? { error: failure.message } : { errors: listErrors(failure) };
    void startReply(reply, failure).send(body);
  };
}
