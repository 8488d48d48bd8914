// A call that was let in becomes an execution: within the hook's rate, once when its signature tells it from others. Used by hooks.ts.
import type { JsonObject } from '../dag/vocabulary.ts';
import { isUmbelError, UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { makeBatcher } from '../registrar/batch.ts';
import { judgeFailure, nameFailure } from '../registrar/failure.ts';
import type { Register, Registered } from '../registrar/register.ts';
import type { Seen } from '../sql/hooks.ts';
import type { Hook } from './open-hooks.ts';
import type { Genuine } from './signature.ts';

export interface Identity {
  /** What the answer is marked with. */
  requestId: string;
  /** The sender chose it, so that a repeat finds the first execution. */
  chosen: boolean;
}

export interface StartDeps {
  /** In the order of the calls: whether each was new. */
  rememberSeen: (calls: Seen[]) => Promise<boolean[]>;
  forgetSeen: (call: Pick<Seen, 'flow' | 'seen'>) => Promise<void>;
  register: Register;
  log: Pick<Logger, 'warn' | 'debug'>;
}

export type Start = (
  hook: Hook,
  message: JsonObject,
  identity: Identity,
  proof: Genuine | null,
) => Promise<Registered>;

/** The database's clock may be so far behind the senders'. */
const SLACK = 60_000;

/** `take` counts the call, or throws `HOOK_RATE`. */
export function makeStart(deps: StartDeps, take: (hook: Hook) => void): Start {
  const remember = makeBatcher({
    run: (calls: Seen[]) => nameFailure(deps.rememberSeen(calls)),
    judge: judgeFailure,
  });
  return async (hook, message, identity, proof) => {
    take(hook);
    const seen = nameCall(hook, proof);
    if (seen !== null && !(await remember(seen, seen.seen.length))) throw new UmbelError('HOOK_REPLAYED', {});
    try {
      return await registerCall(deps.register, hook, message, identity);
    } catch (error) {
      if (seen !== null) await deps.forgetSeen(seen).catch(() => undefined);
      throw hideDefinition(error, hook.flow, deps.log);
    }
  };
}

function nameCall({ flow }: Hook, proof: Genuine | null): Seen | null {
  if (proof === null || proof.once === null) return null;
  return { flow, seen: proof.once.seen, expires: new Date(proof.once.until + SLACK) };
}

function registerCall(
  register: Register,
  { flow, tenant, settings }: Hook,
  message: JsonObject,
  { requestId, chosen }: Identity,
): Promise<Registered> {
  return register({
    flow,
    tenant,
    input: message,
    trigger: { kind: 'webhook', requestId, sync: settings.sync },
    // A name space of its own: whoever may call the hook shall not meet the keys of those who may register.
    idempotencyKey: chosen ? `hook:${requestId}` : undefined,
  });
}

/** The caller of a hook learns nothing of what its flow is made of. */
function hideDefinition(error: unknown, flow: string, log: StartDeps['log']): unknown {
  if (isUmbelError(error, 'FLOW_NOT_FOUND')) return new UmbelError('HOOK_CLOSED', { flow });
  if (!isUmbelError(error, 'DEFINITION_INVALID')) return error;
  log.warn({ flow, problems: error.details.problems }, 'a hook was called whose flow cannot run');
  return new UmbelError('HOOK_UNUSABLE', { flow });
}
