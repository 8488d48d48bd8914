// One process of a component: started, written to, read, and ended with all that it started itself. Called by processes.ts.
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { messageOf } from '../errors.ts';
import { ProgramError } from './program-error.ts';

export interface Child {
  stdin: Writable;
  stdout: Readable;
  /** The last of what it said there. */
  stderr: () => string;
  /** How it ended: its exit code, or the signal that ended it. Rejects when it could not be started. */
  ended: Promise<number | string>;
  /** Ends it and what it started: asks first, a second later without asking. */
  kill: () => void;
}

/** What is kept of standard error. */
const STDERR_LIMIT = 4096;
const PATIENCE = 1_000;

/** Groups of the processes that live, so that none outlives this one when it ends in order. */
const living = new Set<number>();
let watching = false;

/** Without a shell, in a group of its own. */
export function startChild([command = '', ...args]: string[], env: Record<string, string>): Child {
  const child = spawn(command, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'], shell: false });
  const { pid } = child;
  if (pid !== undefined) remember(pid);
  // A process that ends without reading is told of by how it ends.
  child.stdin.on('error', () => {});
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-STDERR_LIMIT)));
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on('error', (cause) => {
      reject(
        new ProgramError(`${command} cannot be run: ${messageOf(cause)}`, { name: 'ProcessError', cause }),
      );
    });
    child.on('close', (code, signal) => {
      if (pid !== undefined) forget(pid);
      resolve(code ?? signal ?? 'unknown');
    });
  });
  ended.catch(() => {});
  return { stdin: child.stdin, stdout: child.stdout, stderr: () => said, ended, kill: () => end(pid) };
}

function end(pid: number | undefined): void {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  setTimeout(() => living.has(pid) && signalGroup(pid, 'SIGKILL'), PATIENCE).unref();
}

/** What the process started may live on when it is gone itself. */
function forget(pid: number): void {
  living.delete(pid);
  signalGroup(pid, 'SIGKILL');
}

function remember(pid: number): void {
  living.add(pid);
  if (watching) return;
  watching = true;
  process.once('exit', () => living.forEach((group) => signalGroup(group, 'SIGKILL')));
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of it is left.
  }
}
