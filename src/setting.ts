// What a row of the table of settings is. Used by config.ts and its parts.
import type { Kind } from './setting-kinds.ts';

export interface Setting<T = unknown> {
  kind: Kind<T>;
  /** Environment variable; empty counts as not set. */
  env: string;
  /** The flag as commander takes it, or null when a setting may not stand on a command line. */
  flag: string | null;
  /** The value when neither flag nor environment has one. */
  default: T;
  /** What the default is, when the value alone does not say it. */
  defaultText?: string;
  description: string;
  secret?: true;
}

/** A setting that always has a value. */
export const setting = <T>(kind: Kind<T>, rest: Omit<Setting<T>, 'kind'>): Setting<T> => ({ kind, ...rest });
/** A setting that may stay unset, or whose default is worked out from others. */
export const optional = <T>(
  kind: Kind<T>,
  rest: Omit<Setting<T | undefined>, 'kind' | 'default'>,
): Setting<T | undefined> => ({ kind, default: undefined, ...rest });
