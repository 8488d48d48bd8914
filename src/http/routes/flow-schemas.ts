// Shapes of the answers below /flows, and how bodies get to the registrar there. Called by flows.ts and steps.ts.
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import type { FastifySchemaCompiler } from 'fastify';
import { Type, type TSchema } from 'typebox';
import { Errors } from '../schemas.ts';

const FlowPath = Type.Object({ flow: Type.String() });
export const StepPath = Type.Object({ flow: Type.String(), step: Type.String() });
const AnyObject = Type.Unsafe<object>({ type: 'object', additionalProperties: true });
const Problems = Type.Array(Type.Object({ path: Type.String(), message: Type.String() }));
export const Warned = Type.Object({
  data: AnyObject,
  meta: Type.Object({ warnings: Problems }),
});

/** Definitions pass unjudged: the registrar finds all that is wrong with them, and says it better. */
export const judgeBodyLater: FastifySchemaCompiler<TSchema> = (route) =>
  route.httpPart === 'body' ? (value) => ({ value }) : TypeBoxValidatorCompiler(route);

export function describe(summary: string, rest: object) {
  return { tags: ['flows'], summary, params: FlowPath, ...rest };
}
export const FAILED = { '4xx': Errors, '5xx': Errors };

export const Defined = Type.Object({
  data: AnyObject,
  meta: Type.Object({
    version: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    changes: Type.Object({
      kind: Type.String({ enum: ['created', 'changed', 'unchanged'] }),
      added: Type.Array(Type.String()),
      changed: Type.Array(Type.String()),
      removed: Type.Array(Type.String()),
      keys: Type.Array(Type.String({ description: 'keys of the flow itself' })),
    }),
  }),
});

export const Steps = Type.Object({
  data: Type.Array(AnyObject),
  meta: Type.Object({
    flow: Type.Unsafe<object>({
      type: 'object',
      additionalProperties: true,
      description: 'the flow without its steps',
    }),
    version: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'null while it cannot run',
    }),
  }),
});
export const Graph = Type.Object({
  data: Type.Object({
    nodes: Type.Array(AnyObject),
    edges: Type.Array(Type.Object({ source: Type.String(), target: Type.String() })),
    levels: Type.Array(Type.Array(Type.String())),
    problems: Problems,
  }),
  meta: Type.Object({}),
});
export const Versions = Type.Object({
  data: Type.Array(
    Type.Object({
      version: Type.String(),
      createdAt: Type.String(),
      current: Type.Boolean(),
      definition: AnyObject,
    }),
  ),
  meta: Type.Object({}),
});

export const Detach = Type.Object(
  {
    detach: Type.Optional(
      Type.String({ enum: ['0', '1'], description: '1: takes it out of the steps that name it' }),
    ),
  },
  { additionalProperties: false },
);

export const Deleted = Type.Null();
