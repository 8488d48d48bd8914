// What the settings of a webhook may not say although their shape is right. Called by check.ts, and when a hook is opened.
import { parseDuration } from '../../dag/duration.ts';
import type { Problem } from '../../dag/vocabulary.ts';

const AT = 'flowSettings.webhooks';
const BOUNDS = {
  timeout: ['1ms', '5m'],
  'rate.per': ['1s', '1d'],
  'auth.tolerance': ['1s', '1d'],
} as const;
/** Their senders decide these. */
const FIXED = ['header', 'algorithm', 'encoding'];
/** Presets whose signatures tell a time. */
const TIMED = ['stripe', 'slack', 'standard'];
const MOST_BYTES = 16 << 20;

type Part = Record<string, unknown>;

/** `settings` are those of the flow, of whatever shape. */
export function findHookProblems(settings: unknown): Problem[] {
  const webhooks = partOf(partOf({ settings }, 'settings'), 'flowSettings')['webhooks'];
  if (!isPart(webhooks)) return [];
  return [
    ...findBoundProblems(webhooks),
    ...findAuthProblems(partOf(webhooks, 'auth')).map(([key, message]) => ({
      path: `${AT}.auth.${key}`,
      message,
    })),
  ];
}

function findBoundProblems(webhooks: Part): Problem[] {
  const durations = Object.entries(BOUNDS).flatMap(([path, [least, most]]) => {
    const [above, key] = path.includes('.') ? (path.split('.') as [string, string]) : ['', path];
    const value = parseDuration((above === '' ? webhooks : partOf(webhooks, above))[key]);
    if (value === undefined) return [];
    const fits = value >= (parseDuration(least) ?? 0) && value <= (parseDuration(most) ?? 0);
    return fits ? [] : [{ path: `${AT}.${path}`, message: `must be from ${least} to ${most}` }];
  });
  const { maxBytes } = webhooks;
  if (typeof maxBytes !== 'number' || maxBytes <= MOST_BYTES) return durations;
  return [...durations, { path: `${AT}.maxBytes`, message: `must be at most ${MOST_BYTES}` }];
}

function findAuthProblems(auth: Part): [key: string, message: string][] {
  const { type = 'none', secrets, preset } = auth;
  if (type === 'bearer' || type === 'basic')
    return [['type', `${type} needs accounts, which this version does not have; use hmac, or none`]];
  if (type === 'none') {
    const [given] = Object.keys(auth).filter((key) => key !== 'type');
    return given === undefined ? [] : [['type', `must be hmac, or "${given}" checks nothing`]];
  }
  const named = Array.isArray(secrets) && secrets.length > 0;
  return [
    ...(named ? [] : [['secrets', 'hmac needs the name of at least one secret'] as [string, string]]),
    ...findPresetProblems(auth, preset),
  ];
}

function findPresetProblems(auth: Part, preset: unknown): [key: string, message: string][] {
  const given = (key: string) => auth[key] !== undefined;
  const fixed = preset === undefined ? [] : FIXED.filter(given);
  const problems = fixed.map(
    (key) => [key, `is decided by the preset "${String(preset)}"; leave it out`] as [string, string],
  );
  if (!given('tolerance') || TIMED.includes(String(preset))) return problems;
  return [...problems, ['tolerance', `only the presets ${TIMED.join(', ')} sign a time; leave it out`]];
}

function partOf(whole: Part, key: string): Part {
  const part = whole[key];
  return isPart(part) ? part : {};
}

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
