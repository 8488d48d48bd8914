// Flower's third sample program: sends a JSON document, as it is, to a URL.
import { Type, type Static } from 'typebox';
import { readAnswer } from './http-answer.ts';
import type { CallOut } from './outbound.ts';
import { defineProgram, type Program } from './program.ts';

const PARAMS = Type.Object(
  {
    URL: Type.String({ description: 'Where to send it; http or https.' }),
    BODY: Type.String({ description: 'JSON text, sent as it stands.', writeOnly: true }),
  },
  { additionalProperties: false },
);

/** The program, sending what it sends through `callOut`. */
export function makeHttpPostRequest(callOut: CallOut): Program<Static<typeof PARAMS>> {
  return defineProgram({
    name: 'HTTPPostRequest',
    description: 'Sends BODY to URL with POST; any 2xx answer is a success.',
    timeout: '30s',
    params: PARAMS,
    async run({ params, signal, idempotencyKey }) {
      const call = {
        method: 'POST',
        url: params.URL,
        headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
        body: params.BODY,
        signal,
        expects: (status: number) => status >= 200 && status < 300,
      };
      return readAnswer(await callOut(call), call);
    },
  });
}
