// Flower's third sample program: sends a JSON document, as it is, to a URL.
import { Type } from 'typebox';
import { readAnswer } from './http-answer.ts';
import { callOut } from './outbound.ts';
import { defineProgram } from './program.ts';

export const httpPostRequest = defineProgram({
  name: 'HTTPPostRequest',
  description: 'Sends BODY to URL with POST; any 2xx answer is a success.',
  timeout: '30s',
  params: Type.Object(
    {
      URL: Type.String({ description: 'Where to send it; http or https.' }),
      BODY: Type.String({ description: 'JSON text, sent as it stands.', writeOnly: true }),
    },
    { additionalProperties: false },
  ),
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
