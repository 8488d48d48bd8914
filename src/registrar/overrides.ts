// Whether a request fits the flow that it names: its tenant, the parameters that it overrides, its input. Called by register.ts.
import { didYouMean } from '../dag/near.ts';
import type { Json, JsonObject, Problem } from '../dag/vocabulary.ts';
import { UmbelError } from '../errors.ts';
import { findInputProblems } from './definition/input-schema.ts';
import type { PlanOptions } from './definition/plan.ts';
import type { Plan } from './plans.ts';

interface Request {
  flow: string;
  tenant: string;
  params?: JsonObject | undefined;
  options?: PlanOptions | undefined;
  input?: Json | undefined;
}

/** The error to answer with (`FLOW_NOT_FOUND`, `BODY_INVALID` with all that the flow has not, `INPUT_INVALID`), or undefined when it fits. */
export function checkRequest(request: Request, plan: Plan): UmbelError | undefined {
  const { flow, tenant, params, options, input } = request;
  if (plan.tenant !== tenant) return new UmbelError('FLOW_NOT_FOUND', { flow });
  return refuseUnknown(params, options, plan) ?? refuseInput(input, plan);
}

function refuseUnknown(
  params: JsonObject | undefined,
  options: PlanOptions | undefined,
  plan: Plan,
): UmbelError | undefined {
  if (params === undefined && options === undefined) return undefined;
  const unknown = Object.keys(params ?? {}).filter((key) => !plan.params.has(key));
  const problems = [...unknown.map((key) => describeUnknown(key, plan)), ...findUnknownSteps(options, plan)];
  return problems.length === 0 ? undefined : new UmbelError('BODY_INVALID', { problems });
}

function findUnknownSteps(options: PlanOptions | undefined, { flow, steps }: Plan): Problem[] {
  return (['step', 'output'] as const).flatMap((path) => {
    const named = options?.[path];
    if (named === undefined || steps.has(named)) return [];
    const message = `${JSON.stringify(flow)} has no step ${JSON.stringify(named)}${didYouMean(named, steps)}`;
    return [{ path, message }];
  });
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
