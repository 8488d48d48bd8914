// Schemas that several routes share.
import { Type } from 'typebox';

export const ErrorItems = Type.Array(
  Type.Object({
    message: Type.String(),
    code: Type.Integer({ description: 'the HTTP status' }),
    error: Type.String({ description: 'the name of the error, see the list of errors' }),
    path: Type.Optional(Type.String({ description: 'where in what was sent, or in the definition' })),
  }),
);

export const Errors = Type.Object({ errors: ErrorItems });
