// Whether a request fits the flow that it names: its tenant, and the parameters that it overrides. Called by register.ts.
import { didYouMean } from '../dag/near.ts';
import type { JsonObject, Problem } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import type { Plan } from './plans.ts';

interface Request {
  flow: string;
  tenant: string;
  params?: JsonObject | undefined;
}

/** The error to answer with (`FLOW_NOT_FOUND`, `BODY_INVALID` with every unknown key), or undefined when it fits. */
export function checkRequest({ flow, tenant, params }: Request, plan: Plan): UmbelError | undefined {
  if (plan.tenant !== tenant) return new UmbelError('FLOW_NOT_FOUND', { flow });
  if (params === undefined) return undefined;
  const problems = Object.keys(params)
    .filter((key) => !plan.params.has(key))
    .map((key) => describeUnknown(key, plan));
  return problems.length === 0 ? undefined : new UmbelError('BODY_INVALID', { problems });
}

function describeUnknown(key: string, { flow, params }: Plan): Problem {
  const near = didYouMean(key, params);
  return {
    path: `params.${key}`,
    message: `no step of ${JSON.stringify(flow)} has a parameter ${JSON.stringify(key)}${near}`,
  };
}
