// GET /events: what happens, as it happens, as server-sent events. Called by app.ts.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import type { Hub } from '../../events/hub.ts';
import type { Listener } from '../../events/member.ts';
import { PATTERN } from '../../events/names.ts';
import type { App } from '../app.ts';
import { Errors } from '../schemas.ts';

const Name = Type.String({ pattern: PATTERN });
const Query = Type.Object(
  {
    name: Type.Optional(
      Type.Union([Name, Type.Array(Name, { maxItems: 32 })], {
        description: 'of events; flow.* is all that begin so',
      }),
    ),
    from: Type.Optional(
      Type.String({
        maxLength: 8192,
        description: 'as Last-Event-ID, for clients that cannot send it; or `start`',
      }),
    ),
  },
  { additionalProperties: false },
);

const HEADERS = {
  'cache-control': 'no-cache, no-transform',
  // A proxy that gathers answers would hold events back.
  'x-accel-buffering': 'no',
};
/** Keeps proxies from closing a silent connection. */
const HEARTBEAT_MS = 15_000;
/** Bytes that wait for a client that does not read, at most. */
const MOST_WAITING = 1 << 20;

const SILENT: Hub = { listen: () => () => {}, close: async () => {} };

export function addEventRoutes(app: App, { events: hub = SILENT }: { events?: Hub }): void {
  app.addHook('preClose', () => hub.close());
  app.get(
    '/events',
    {
      exposeHeadRoute: false,
      config: { isStream: true },
      schema: {
        tags: ['events'],
        summary: 'Listen to events (server-sent)',
        description:
          'Goes on after the event of Last-Event-ID when that is sent; else begins with what happens now.',
        querystring: Query,
        produces: ['text/event-stream'],
        response: { 200: Type.Unsafe<Readable>({ type: 'string' }), '4xx': Errors, '5xx': Errors },
      },
    },
    async ({ caller, query, headers }, reply) => {
      const names = query.name === undefined ? null : [query.name].flat();
      const last = String(headers['last-event-id'] ?? query.from ?? '');
      const { stream, listener } = openStream();
      const leave = hub.listen({
        ...listener,
        tenant: caller.tenant,
        names,
        from: last === '' ? null : last,
      });
      stream.once('close', leave);
      return reply.headers(HEADERS).type('text/event-stream; charset=utf-8').send(stream);
    },
  );
}

function openStream(): { stream: Readable; listener: Pick<Listener, 'send' | 'drained' | 'end'> } {
  const stream = new Readable({ read: () => stream.emit('room') });
  stream.push('retry: 1000\n\n');
  const beat = setInterval(() => stream.push(':\n\n'), HEARTBEAT_MS);
  stream.once('close', () => {
    clearInterval(beat);
    stream.emit('room');
  });
  return {
    stream,
    listener: {
      send(message, token) {
        stream.push(`id: ${token}\ndata: ${JSON.stringify(message)}\n\n`);
        return stream.readableLength < MOST_WAITING;
      },
      async drained() {
        if (!stream.destroyed && stream.readableLength > 0) await once(stream, 'room');
      },
      end() {
        clearInterval(beat);
        if (!stream.destroyed) stream.push(null);
      },
    },
  };
}
