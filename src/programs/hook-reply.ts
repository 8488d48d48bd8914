// hook.reply: answers whoever called the flow's synchronous webhook, at once, while the flow goes on.
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { Type, type Static } from 'typebox';
import type { Json } from '../dag/vocabulary.ts';
import { defineProgram, type Program } from './program.ts';
import { invalidParameters } from './program-error.ts';

export interface HookReply {
  status: number;
  headers: Record<string, string>;
  body: Json;
}

/** Whether it became the execution's answer: the first one does. `by` is the same text for every attempt of a task. */
export type WriteReply = (execution: string, reply: HookReply, by: string) => Promise<boolean>;

/** The connection's own, and those by which the server protects itself. */
const REFUSED = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-security-policy',
  'date',
  'keep-alive',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-content-type-options',
  'x-execution-id',
  'x-request-id',
]);

const PARAMS = Type.Object(
  {
    status: Type.Optional(Type.Integer({ minimum: 200, maximum: 599, description: 'Of the answer; 200.' })),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Of the answer, besides those of the server.',
      }),
    ),
    body: Type.Optional(
      Type.Unknown({ description: 'Text as it is, anything else as JSON; absent: the input of the step.' }),
    ),
  },
  { additionalProperties: false },
);

export function makeHookReply(writeReply: WriteReply): Program<Static<typeof PARAMS>> {
  return defineProgram({
    name: 'hook.reply',
    description:
      'Answers the caller of a synchronous webhook; its result says whether this was the first answer.',
    params: PARAMS,
    readsInput: true,
    async run({ params, input, execution, idempotencyKey }) {
      const { status = 200, headers = {} } = params;
      checkHeaders(headers);
      const body = (params.body === undefined ? input : params.body) as Json;
      return { answered: await writeReply(execution.id, { status, headers, body }, idempotencyKey) };
    },
  });
}

function checkHeaders(headers: Record<string, string>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (REFUSED.has(name.toLowerCase()))
      throw invalidParameters(`hook.reply: the header "${name}" is not for a flow to set`);
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      throw invalidParameters(
        `hook.reply: the header ${JSON.stringify(name)} has a name or a value that HTTP does not allow`,
      );
    }
  }
}
