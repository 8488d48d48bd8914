// The HTTP application over stand-ins for the registrar, for tests of what HTTP itself promises.
import { makeApp, type AppDeps } from '../../src/http/app.ts';
import type { Controlled } from '../../src/registrar/control.ts';
import type { RegisterRequest } from '../../src/registrar/register.ts';
import type { ListRequest } from '../../src/registrar/executions.ts';
import { makeNoHooks } from './hooks.ts';

const refuseAll = () => Promise.reject(new Error('nothing stands behind this part of the application'));

/** Remembers what reached the registrar and what was logged; `rest` replaces parts. */
export async function makeTestApp(rest: Partial<AppDeps> = {}) {
  const registered: RegisterRequest[] = [];
  const listed: ListRequest[] = [];
  const logged: object[] = [];
  const controlled: { verb: string; [key: string]: unknown }[] = [];
  const verb =
    (name: string) =>
    async (what: { id: string }): Promise<Controlled> => {
      controlled.push({ verb: name, ...what });
      return { id: what.id, status: 'running' };
    };
  const app = await makeApp({
    register: async (request) => {
      registered.push(request);
      return { outcome: 'registered', id: `id-${registered.length}` };
    },
    executions: {
      list: async (request) => {
        listed.push(request);
        return { data: [] };
      },
      read: () => Promise.reject(new Error('no execution here')),
    },
    logs: { readTask: refuseAll, readStep: refuseAll },
    readResult: async ({ step }) => ({ of: step }),
    execute: { start: refuseAll, waitForEnd: async () => null },
    flows: {
      read: refuseAll,
      define: refuseAll,
      delete: refuseAll,
      createStep: refuseAll,
      replaceStep: refuseAll,
      deleteStep: refuseAll,
      graph: refuseAll,
      versions: refuseAll,
    },
    flowRepository: { list: refuseAll, read: refuseAll, create: refuseAll, patch: refuseAll },
    lifeCycle: { start: refuseAll, stop: refuseAll },
    components: {
      list: refuseAll,
      read: refuseAll,
      create: refuseAll,
      patch: refuseAll,
      delete: refuseAll,
      start: refuseAll,
      stop: refuseAll,
    },
    control: {
      pause: verb('pause'),
      resume: verb('resume'),
      signal: verb('signal'),
      abort: verb('abort'),
      rerun: verb('rerun'),
      skip: verb('skip'),
    },
    callbacks: { complete: refuseAll, fail: refuseAll, beat: refuseAll },
    rerunMany: async (request) => {
      controlled.push({ verb: 'rerunMany', ...request });
      return { executions: [{ id: 'a', tasks: 2 }], cursor: 'next' };
    },
    schedules: { read: refuseAll, pause: refuseAll, resume: refuseAll },
    findUnreadiness: async () => null,
    hooks: makeNoHooks(),
    log: { warn: (details) => logged.push(details), error: (details) => logged.push(details) },
    ...rest,
  });
  return { app, registered, listed, logged, controlled };
}
