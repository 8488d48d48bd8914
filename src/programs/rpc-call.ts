// The program `rpc.call`: posts to an endpoint of a service that is found by name among the components.
import { type Static, Type } from 'typebox';
import type { Json } from '../dag/vocabulary.ts';
import { post, tellHeaders } from './component-call.ts';
import type { FindComponent } from './component-program.ts';
import type { CallOut } from './outbound.ts';
import { invalidParameters, NonRetryable } from './program-error.ts';
import { defineProgram, type Program } from './program.ts';

const PARAMS = Type.Object(
  {
    service: Type.String({ minLength: 1, description: 'The id of a component of the kind `http`.' }),
    endpoint: Type.String({ description: 'The path below its address.' }),
    body: Type.Optional(Type.Unknown({ description: 'Sent as JSON.', writeOnly: true })),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Request headers, an object.',
        writeOnly: true,
      }),
    ),
  },
  { additionalProperties: false },
);

/** Finds its services with `findComponent`, and calls them through `callOut`. */
export function makeRpcCall(callOut: CallOut, findComponent: FindComponent): Program<Static<typeof PARAMS>> {
  return defineProgram({
    name: 'rpc.call',
    description: 'Posts to an endpoint of a service; the result is the body of the answer.',
    params: PARAMS,
    timeout: '30s',
    run: async (context) => {
      const { service, endpoint, body, headers = {} } = context.params;
      const component = await findComponent(context.execution, service);
      if (component?.kind !== 'http')
        throw new NonRetryable(`there is no component "${service}" of the kind http`, {
          name: 'UnknownServiceError',
        });
      const url = urlOf(component.settings['address'] as string, endpoint);
      const own = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
      );
      const told = { ...own, ...tellHeaders(context) };
      return post(callOut, { url, body: body as Json | undefined, headers: told, signal: context.signal });
    },
  });
}

/** An endpoint leads below the address, and nowhere else. */
function urlOf(address: string, endpoint: string): string {
  const base = new URL(`${address.replace(/\/+$/, '')}/`);
  const url = URL.parse(`${base.origin}${base.pathname}${endpoint.replace(/^\/+/, '')}`);
  if (url === null || url.origin !== base.origin || !url.pathname.startsWith(base.pathname))
    throw invalidParameters(
      `parameters.endpoint: ${JSON.stringify(endpoint)} does not lead below the service`,
    );
  url.username = base.username;
  url.password = base.password;
  return url.href;
}
