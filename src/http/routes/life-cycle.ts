// Starting and stopping flows, one or many. Called by app.ts.
import { Type } from 'typebox';
import type { Standing } from '../../registrar/life-cycle/start-stop.ts';
import type { App, AppDeps } from '../app.ts';
import { describeFailure, listErrors } from '../errors.ts';
import { ignoreTypeOfEmptyBody } from '../json.ts';
import { describeMany, requireList } from './flow-repository-schemas.ts';
import { describe, FAILED, judgeBodyLater } from './flow-schemas.ts';

type Deps = Pick<AppDeps, 'lifeCycle' | 'hooks'>;
type Move = Deps['lifeCycle']['start'];

const STATUSES = ['inactive', 'starting', 'active', 'stopping'];
const Standings = Type.Object({ id: Type.String(), status: Type.String({ enum: STATUSES }) });
const One = Type.Object({ data: Standings, meta: Type.Object({}) });
const Many = Type.Object({
  data: Type.Array(Type.Unsafe<object>({ type: 'object', additionalProperties: true })),
  meta: Type.Object({}),
});
const Ids = Type.Unsafe<unknown>(Type.Array(Type.String(), { description: 'ids of flows' }));

const SUMMARIES = {
  start: 'Start a flow: open its hook, or fire its schedule',
  stop: 'Stop a flow; its executions go on',
} as const;

export function addLifeCycleRoutes(app: App, { lifeCycle, hooks }: Deps): void {
  for (const verb of ['start', 'stop'] as const) {
    // This process lets nobody in any more who calls after the answer.
    const move: Move = async (caller, flow) => {
      const standing = await lifeCycle[verb](caller, flow);
      hooks.forget(flow);
      return standing;
    };
    addOne(app, verb, move);
    addMultiple(app, verb, move);
  }
}

function addOne(app: App, verb: 'start' | 'stop', move: Move): void {
  const schema = describe(SUMMARIES[verb], { response: { 200: One, ...FAILED } });
  app.post<{ Params: { flow: string } }>(
    `/flows/:flow/${verb}`,
    {
      schema,
      onRequest: (request, _reply, done) => {
        ignoreTypeOfEmptyBody(request);
        done();
      },
    },
    async ({ caller, params }) => ({ data: await move(caller, params.flow), meta: {} }),
  );
}

function addMultiple(app: App, verb: 'start' | 'stop', move: Move): void {
  const schema = describeMany(`${verb === 'start' ? 'Start' : 'Stop'} several flows`, {
    body: Ids,
    response: { 200: Many, ...FAILED },
  });
  app.post<{ Body: unknown }>(
    `/flows/multiple/${verb}`,
    { schema, validatorCompiler: judgeBodyLater },
    async (request) => {
      const data: (Standing | object)[] = [];
      for (const id of requireList(request.body)) data.push(await answer(request, id, move));
      return { data, meta: {} };
    },
  );
}

/** How it stands, or its errors; only a database that does not answer fails them all. */
async function answer(
  request: Parameters<typeof describeFailure>[1],
  id: unknown,
  move: Move,
): Promise<object> {
  if (typeof id !== 'string')
    return { id, errors: [{ message: 'an id must be text', code: 400, error: 'BODY_INVALID' }] };
  try {
    return await move(request.caller, id);
  } catch (error) {
    const failure = describeFailure(error, request);
    if (failure.status >= 500) throw error;
    return { id, errors: listErrors(failure) };
  }
}
