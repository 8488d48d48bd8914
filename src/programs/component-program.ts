// Programs that are functions of components: found when they run, called over HTTP or as a process. The watcher's registry falls back to them.
import { Type } from 'typebox';
import { parseDuration } from '../dag/duration.ts';
import type { Json, JsonObject } from '../dag/vocabulary.ts';
import { callComponent } from './component-call.ts';
import type { CallOut } from './outbound.ts';
import type { Processes } from './processes.ts';
import { NonRetryable, ProgramError } from './program-error.ts';
import { type Context, defineProgram, type Program } from './program.ts';
import type { Registry } from './registry.ts';

/** What is known of a component. */
export interface FoundComponent {
  id: string;
  kind: 'program' | 'http' | 'process';
  isGlobal: boolean;
  status: string;
  settings: JsonObject;
}

/** The component of the tenant that an execution belongs to; null: it has none of that id. */
export type FindComponent = (
  execution: { id: string; flow: string },
  componentId: string,
) => Promise<FoundComponent | null>;

export interface ComponentDeps {
  findComponent: FindComponent;
  callOut: CallOut;
  processes: Processes;
}

const KEPT = 1_000;
const NAME = /^[^.]+\../;

/** The registry, with a program for every `a.b` that it does not know: whether there is such a component is found out when it runs. */
export function withComponents(registry: Registry, deps: ComponentDeps): Registry {
  const made = new Map<string, Program>();
  const make = (name: string): Program => {
    const known = made.get(name) ?? makeComponentProgram(name, registry, deps);
    made.set(name, known);
    if (made.size > KEPT) made.delete(made.keys().next().value!);
    return known;
  };
  return { ...registry, get: (name) => registry.get(name) ?? (NAME.test(name) ? make(name) : undefined) };
}

function makeComponentProgram(name: string, registry: Registry, deps: ComponentDeps): Program {
  const dot = name.indexOf('.');
  const [componentId, action] = [name.slice(0, dot), name.slice(dot + 1)];
  const program = defineProgram({
    name: 'component',
    description: 'A function of a component.',
    params: Type.Object({}, { additionalProperties: true }),
    readsInput: true,
    run: async (context) => {
      const component = await deps.findComponent(context.execution, componentId);
      if (component === null)
        throw new NonRetryable(registry.describeUnknown(name), { name: 'UnknownProgramError' });
      return callWithin(deps, component, action, context);
    },
  });
  return Object.freeze({ ...program, name });
}

/** 0: none. */
function readTimeout(given: Json | undefined): number {
  const isGiven = typeof given === 'number' || typeof given === 'string';
  return (isGiven ? parseDuration(given) : undefined) ?? 30_000;
}

/** Errors: `TimeoutError`; `ComponentError` while a global one is down. */
async function callWithin(
  deps: ComponentDeps,
  component: FoundComponent,
  action: string,
  context: Context,
): Promise<Json> {
  const { id, isGlobal, status, settings } = component;
  if (isGlobal && status !== 'active')
    throw new ProgramError(`the global component "${id}" is ${status}: start it`, { name: 'ComponentError' });
  const timeout = readTimeout(settings['timeout']);
  const late = new ProgramError(`the component "${id}" did not answer within ${timeout} ms`, {
    name: 'TimeoutError',
  });
  const ending = new AbortController();
  const stop = () => ending.abort(context.signal.reason);
  const timer = timeout === 0 ? undefined : setTimeout(() => ending.abort(late), timeout);
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  try {
    return await callComponent(deps, component, action, context, ending.signal);
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener('abort', stop);
  }
}
