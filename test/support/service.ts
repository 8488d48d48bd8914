// Long-running commands in processes of their own: started, listened to, signalled. For the tests that try the product as a user does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';

const entry = fileURLToPath(new URL('../../cmd/umbel.js', import.meta.url));

export interface Service {
  pid: number;
  /** What it printed so far, both streams, line by line. */
  lines: string[];
  /** Resolves with the first line, past or to come, in which the pattern is found; rejects when the process ends before. */
  line: (pattern: RegExp) => Promise<string>;
  /** Sends a signal and does not wait. */
  signal: (signal: NodeJS.Signals) => void;
  /** Sends a signal and resolves with how the process ended: its exit code, or the signal that ended it. */
  stop: (signal?: NodeJS.Signals) => Promise<number | string | null>;
  exited: Promise<number | string | null>;
}

/** `umbel …args` with nothing in its environment but `env`, of another release when its entry point is given; killed when the test ends. */
export function startService(
  args: string[],
  env: Record<string, string> = {},
  cwd = tmpdir(),
  program = entry,
): Service {
  const child = spawn(process.execPath, [program, ...args], { env, cwd });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string | null);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const hear = (line: string) => {
    lines.push(line);
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', hear);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const line = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = lines.find((one) => pattern.test(one));
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void exited.then((code) =>
        reject(new Error(`ended with ${code} and never said ${pattern}:\n${lines.join('\n')}`)),
      );
    });
  const signal = (name: NodeJS.Signals) => void child.kill(name);
  return {
    pid: child.pid!,
    lines,
    line,
    signal,
    exited,
    stop: (name = 'SIGTERM') => {
      signal(name);
      return exited;
    },
  };
}

/** A register server on a free port; resolves with its address. */
export async function startRegister(
  env: Record<string, string>,
  args: string[] = [],
): Promise<Service & { address: string }> {
  const service = startService(['register', ...args], { PORT: '0', ...env });
  const said = JSON.parse(await service.line(/"msg":"listening"/)) as { address: string };
  return { ...service, address: said.address };
}

/** A watcher, once it watches. */
export async function startWatch(
  env: Record<string, string>,
  args: string[] = [],
  program?: string,
): Promise<Service> {
  const service = startService(['watch', ...args], env, undefined, program);
  await service.line(/"msg":"watching"/);
  return service;
}

/** `umbel up` on the embedded Postgres of `dataDir`, once it greets. */
export async function startUp(
  dataDir: string,
  env: Record<string, string> = {},
): Promise<Service & { address: string }> {
  const service = startService(['up'], { DATA_DIR: dataDir, PORT: '0', ...env });
  const said = await service.line(/^Umbel is up at/);
  await service.line(/^Try it:/);
  return { ...service, address: /http:\/\/[^ ]+/.exec(said)![0] };
}

/** A directory that any user may enter and that is gone after the test. */
export async function makeDirectory(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'umbel-e2e-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Asks until the answer fits, for at most `seconds`. */
export async function until<T>(
  ask: () => Promise<T>,
  fits: (answer: T) => boolean,
  seconds = 30,
): Promise<T> {
  let last: T | undefined;
  await expect
    .poll(async () => fits((last = await ask())), {
      timeout: seconds * 1000,
      interval: 25,
      message: 'never came about',
    })
    .toBe(true);
  return last as T;
}
