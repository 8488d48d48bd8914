// Cron expressions and time zones of definitions: what is a valid one, and why another is not.
// Called by check.ts for definitions and by triggers/ for working out when a flow fires.
import { Cron } from 'croner';

/** Local times of an expression, without a zone: asked and answered as if they were UTC. */
export type LocalTimes = Cron;

const INVALID = 'Invalid cron expression.';
const FIELDS = 'second (may be left out), minute, hour, day of the month, month, day of the week';
const NICKNAMES = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
/** No calendar repeats later: 400 years are a whole number of weeks. */
const FIRST_DAY = new Date('2000-01-01T00:00:00Z');

/** Why a flow cannot be started by this expression: `Invalid cron expression.` and the reason. */
export function findCronProblem(cron: string): string | undefined {
  const parsed = parse(cron);
  return typeof parsed === 'string' ? `${INVALID} ${parsed}` : undefined;
}

/** Why this is not the name of a time zone. */
export function findTimezoneProblem(timezone: string): string | undefined {
  try {
    Intl.DateTimeFormat('en', { timeZone: timezone });
    return undefined;
  } catch {
    return `"${timezone}" is not a time zone; write one such as Europe/Berlin or UTC`;
  }
}

/** Throws when the expression is invalid: only for what was checked. */
export function localTimes(cron: string): LocalTimes {
  const parsed = parse(cron);
  if (typeof parsed === 'string') throw new Error(`${INVALID} ${parsed}`);
  return parsed;
}

function parse(cron: string): LocalTimes | string {
  const text = cron.trim().replaceAll(/\s+/g, ' ');
  const refused = text.startsWith('@') ? refuseNickname(text) : refuseFields(text);
  if (refused !== undefined) return refused;
  try {
    const times = new Cron(text, { utcOffset: 0, mode: '5-or-6-parts' });
    return times.nextRun(FIRST_DAY) === null ? `"${text}" never fires: no such day exists.` : times;
  } catch (error) {
    return explain(error);
  }
}

function refuseNickname(text: string): string | undefined {
  if (NICKNAMES.includes(text.toLowerCase())) return undefined;
  return `"${text}" is not known (known: ${NICKNAMES.join(', ')}).`;
}

function refuseFields(text: string): string | undefined {
  const count = text === '' ? 0 : text.split(' ').length;
  if (count < 5 || count > 6) return `It has ${count} fields; it needs 5 or 6: ${FIELDS}.`;
  if (text.includes('+')) return 'A "+" is not known.';
  return undefined;
}

/** The parser's words, without its own name, and with days and months counted from 1. */
function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const said = message.replace(/^CronPattern: /, '').replace(/^Syntax error, /, '');
  const counted = said.replace(
    /^(Invalid value for (?:day|month): )(-?\d+)$/,
    (_, start: string, value: string) => `${start}${Number(value) + 1}`,
  );
  return `${counted.charAt(0).toUpperCase()}${counted.slice(1).replace(/\.$/, '')}.`;
}
