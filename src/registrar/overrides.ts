// Whether a request fits the flow that it names: its tenant, the parameters that it overrides, its input. Called by register.ts.
import { didYouMean } from '../dag/near.ts';
import type { Json, JsonObject, Problem } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { findInputProblems } from './definition/input-schema.ts';
import type { Plan } from './plans.ts';

interface Request {
  flow: string;
  tenant: string;
  params?: JsonObject | undefined;
  input?: Json | undefined;
}

/** The error to answer with (`FLOW_NOT_FOUND`, `BODY_INVALID` with every unknown key, `INPUT_INVALID`), or undefined when it fits. */
export function checkRequest({ flow, tenant, params, input }: Request, plan: Plan): UmbelError | undefined {
  if (plan.tenant !== tenant) return new UmbelError('FLOW_NOT_FOUND', { flow });
  return refuseParams(params, plan) ?? refuseInput(input, plan);
}

function refuseParams(params: JsonObject | undefined, plan: Plan): UmbelError | undefined {
  if (params === undefined) return undefined;
  const problems = Object.keys(params)
    .filter((key) => !plan.params.has(key))
    .map((key) => describeUnknown(key, plan));
  return problems.length === 0 ? undefined : new UmbelError('BODY_INVALID', { problems });
}

function refuseInput(input: Json | undefined, { flow, inputSchema }: Plan): UmbelError | undefined {
  if (inputSchema === null) return undefined;
  const problems = findInputProblems(inputSchema, input ?? null);
  return problems.length === 0 ? undefined : new UmbelError('INPUT_INVALID', { flow, problems });
}

function describeUnknown(key: string, { flow, params }: Plan): Problem {
  const near = didYouMean(key, params);
  return {
    path: `params.${key}`,
    message: `no step of ${JSON.stringify(flow)} has a parameter ${JSON.stringify(key)}${near}`,
  };
}
