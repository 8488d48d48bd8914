// What a flow's settings say of its webhook, defaults filled in. Called by open-hooks.ts when it reads a hook.
import { parseDuration } from '../dag/duration.ts';
import type { JsonObject, Problem } from '../dag/vocabulary.ts';
import { findHookProblems } from '../registrar/definition/hook-problems.ts';
import { FlowSettings } from '../registrar/definition/schema.ts';
import { findShapeProblems } from '../registrar/definition/shape.ts';
import { makeScheme, type Preset, type SchemeSettings, type SignatureScheme } from './signature-schemes.ts';

export interface HookSettings {
  /** The caller waits for the flow's answer. */
  sync: boolean;
  /** How long, in milliseconds. */
  timeout: number;
  maxWaiters: number;
  /** Of a body. */
  maxBytes: number;
  /** So many calls in so many milliseconds; null: no limit. */
  rate: { limit: number; per: number } | null;
  /** null: anybody may call. */
  signature: SignatureRule | null;
}

export interface SignatureRule {
  scheme: SignatureScheme;
  /** Names of the secrets; any of them may have signed. */
  secrets: string[];
  /** How far a signed time may be from now, in milliseconds. */
  tolerance: number;
}

interface Written {
  mode?: 'async' | 'sync';
  timeout?: number | string;
  maxWaiters?: number;
  maxBytes?: number;
  rate?: { limit: number; per: number | string };
  auth?: SchemeSettings & {
    type?: 'none' | 'hmac';
    secrets?: string[];
    preset?: Preset;
    tolerance?: number | string;
  };
}

/** The problems instead, when rows say what a definition may not. */
export function readHookSettings(settings: JsonObject | null): HookSettings | Problem[] {
  const problems = [...findShapeProblems(FlowSettings, settings ?? {}, ''), ...findHookProblems(settings)];
  if (problems.length > 0) return problems;
  const { webhooks = {} } = (settings?.['flowSettings'] ?? {}) as { webhooks?: Written };
  const { mode, timeout, maxWaiters = 100, maxBytes = 1 << 20, rate, auth } = webhooks;
  return {
    sync: mode === 'sync',
    timeout: parseDuration(timeout) ?? 30_000,
    maxWaiters,
    maxBytes,
    rate: rate === undefined ? null : { limit: rate.limit, per: parseDuration(rate.per) ?? 0 },
    signature: auth?.type === 'hmac' ? readSignature(auth) : null,
  };
}

function readSignature(auth: NonNullable<Written['auth']>): SignatureRule {
  return {
    scheme: makeScheme(auth.preset, auth),
    secrets: auth.secrets ?? [],
    tolerance: parseDuration(auth.tolerance) ?? 300_000,
  };
}
