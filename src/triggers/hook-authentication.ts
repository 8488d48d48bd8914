// Whether a call may start the hook's flow, by the settings of the flow and the secrets of this process. Used by hooks.ts.
import { UmbelError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Hook } from './open-hooks.ts';
import { judgeSignature, readKeys, type Genuine, type Signed } from './signature.ts';

export interface AuthenticateDeps {
  findSecret: (name: string) => string | undefined;
  log: Pick<Logger, 'warn'>;
}

/** Null: the hook asks for no signature. */
export type Authenticate = (hook: Hook, signed: Signed) => Genuine | null;

export function makeAuthenticate({ findSecret, log }: AuthenticateDeps): Authenticate {
  return ({ flow, settings: { signature } }, signed) => {
    if (signature === null) return null;
    const { keys, missing } = readKeys(signature, findSecret);
    if (missing.length > 0)
      log.warn({ flow, secrets: missing }, 'secrets of a hook are not set, or not as its sender writes them');
    if (keys.length === 0) throw new UmbelError('HOOK_UNUSABLE', { flow });
    const judged = judgeSignature(signature, keys, signed, Date.now());
    if (!judged.genuine) throw new UmbelError('HOOK_SIGNATURE', { reason: judged.reason });
    return judged;
  };
}
