// The open hooks that this process serves, kept in memory with their settings. A kept one is held against the database again and again,
// dropped when word comes that it changed, and after a second without a look not trusted any more. Used by hooks.ts.
import type { Problem } from '../dag/vocabulary.ts';
import { makeBatcher } from '../registrar/batch.ts';
import { judgeFailure, nameFailure } from '../registrar/failure.ts';
import type { HookRow } from '../sql/hooks.ts';
import { readHookSettings, type HookSettings } from './hook-settings.ts';

export interface OpenHook {
  flow: string;
  tenant: string;
  version: string;
  /** Or why it cannot be served. */
  settings: HookSettings | Problem[];
}

/** One that can be served. */
export interface Hook extends OpenHook {
  settings: HookSettings;
}

export interface OpenHooks {
  /** Undefined: it must be read. */
  known: (flow: string) => OpenHook | undefined;
  /** Undefined: it is not open. */
  read: (flow: string) => Promise<OpenHook | undefined>;
  /** Its flow changed: the next call reads it again. */
  forget: (flow: string) => void;
  /** Holds what is kept against the database; what nobody called for a while is kept no longer. Never rejects. */
  check: () => Promise<void>;
  /** How many are kept. */
  count: () => number;
}

export interface OpenHooksDeps {
  readHooks: (flows: string[]) => Promise<HookRow[]>;
  findChangedHooks: (hooks: OpenHook[]) => Promise<string[]>;
  now?: () => number;
}

interface Kept {
  hook: OpenHook;
  /** When a statement began that found it open. */
  seen: number;
  used: number;
}

/** Milliseconds. */
const TRUSTED = 1_000;
const UNUSED = 10_000;
const KEPT = 10_000;

export function makeOpenHooks({
  readHooks,
  findChangedHooks,
  now = () => performance.now(),
}: OpenHooksDeps): OpenHooks {
  const kept = new Map<string, Kept>();
  let forgotten = 0;
  const addRead = makeBatcher({
    run: (flows: string[]) => nameFailure(readAll(readHooks, flows)),
    judge: judgeFailure,
  });

  function keep(hook: OpenHook, seen: number): void {
    kept.delete(hook.flow);
    kept.set(hook.flow, { hook, seen, used: now() });
    const [oldest] = kept.keys();
    if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
  }

  return {
    known(flow) {
      const found = kept.get(flow);
      if (found === undefined || now() - found.seen > TRUSTED) return undefined;
      found.used = now();
      return found.hook;
    },
    async read(flow) {
      const [began, before] = [now(), forgotten];
      const hook = await addRead(flow, flow.length);
      if (hook === undefined) kept.delete(flow);
      // What was forgotten while it was read may have been read too early.
      else if (forgotten === before) keep(hook, began);
      return hook;
    },
    forget(flow) {
      forgotten += 1;
      kept.delete(flow);
    },
    check: () => checkAll(kept, findChangedHooks, now()),
    count: () => kept.size,
  };
}

async function checkAll(
  kept: Map<string, Kept>,
  findChangedHooks: OpenHooksDeps['findChangedHooks'],
  began: number,
): Promise<void> {
  for (const [flow, { used }] of kept) if (began - used > UNUSED) kept.delete(flow);
  const looked = [...kept.values()];
  if (looked.length === 0) return;
  const changed = await findChangedHooks(looked.map(({ hook }) => hook)).catch(() => undefined);
  if (changed === undefined) return;
  const gone = new Set(changed);
  for (const one of looked) {
    if (!gone.has(one.hook.flow)) one.seen = began;
    else if (kept.get(one.hook.flow) === one) kept.delete(one.hook.flow);
  }
}

async function readAll(
  readHooks: OpenHooksDeps['readHooks'],
  flows: string[],
): Promise<(OpenHook | undefined)[]> {
  const rows = await readHooks([...new Set(flows)]);
  const hooks = new Map(
    rows.map((row) => [row.flow, { ...row, settings: readHookSettings(row.settings) }] as const),
  );
  return flows.map((flow) => hooks.get(flow));
}
