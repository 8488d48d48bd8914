// Child processes of a case and what is said to them. A child answers questions and tells events; it ends with its parent.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Body = Record<string, unknown>;

/** What goes over the channel, both ways. */
export interface Message {
  /** A question's number, also on its answer; none: an event. */
  no?: number;
  kind: string;
  body: Body;
}

export interface Child {
  ask<Answer>(kind: string, body?: Body): Promise<Answer>;
  /** Calls `listener` for every event of that kind. */
  on(kind: string, listener: (body: Body) => void): void;
  end(): Promise<void>;
}

/** Starts `processes/<name>.ts` with its settings; resolves when it is ready. */
export async function startChild(name: string, settings: object): Promise<Child & { ready: Body }> {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const child = fork(file, [JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const talk = makeTalk(name, child);
  const ready = new Promise<Body>((resolve, reject) => {
    talk.on('ready', resolve);
    child.once('exit', () => reject(new Error(`the process ${name} did not get ready`)));
  });
  return { ...talk, ready: await ready, end: () => endChild(child) };
}

function makeTalk(name: string, child: ChildProcess): Pick<Child, 'ask' | 'on'> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const listeners = new Map<string, (body: Body) => void>();
  let asked = 0;
  child.on('message', ({ no, kind, body }: Message) => {
    if (no === undefined) return listeners.get(kind)?.(body);
    const question = waiting.get(no);
    waiting.delete(no);
    if (kind === 'failed') question?.reject(new Error(`${name}: ${String(body.message)}`));
    else question?.resolve(body);
  });
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`the process ${name} ended (${signal ?? code})`));
  });
  return {
    on: (kind, listener) => listeners.set(kind, listener),
    ask<Answer>(kind: string, body: Body = {}): Promise<Answer> {
      const question = Promise.withResolvers<unknown>();
      asked += 1;
      waiting.set(asked, question);
      child.send({ no: asked, kind, body } satisfies Message, (error) => error && question.reject(error));
      return question.promise as Promise<Answer>;
    },
  };
}

/** A child ends when its parent leaves; one that does not is killed. */
async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
  child.disconnect();
  await exit;
  clearTimeout(kill);
}
