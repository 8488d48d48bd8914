// Schemas that several routes share.
import { Type } from 'typebox';
import { PRIORITY_MAX, PRIORITY_MIN } from '../dag/vocabulary.ts';

export const ErrorItems = Type.Array(
  Type.Object({
    message: Type.String(),
    code: Type.Integer({ description: 'the HTTP status' }),
    error: Type.String({ description: 'the name of the error, see the list of errors' }),
    path: Type.Optional(Type.String({ description: 'where in what was sent, or in the definition' })),
  }),
);

export const Errors = Type.Object({ errors: ErrorItems });

/** What may be said when an execution is started, on any route. */
export const START = {
  params: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'overrides parameters of the steps, by key',
    }),
  ),
  input: Type.Optional(Type.Unknown({ description: 'any JSON; the input of the execution' })),
  priority: Type.Optional(
    Type.Integer({
      minimum: PRIORITY_MIN,
      maximum: PRIORITY_MAX,
      description: 'of every task; smaller is more urgent',
    }),
  ),
  idempotencyKey: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'a second call with it gives the execution of the first',
    }),
  ),
};
