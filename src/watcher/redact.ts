// Takes the values of secrets out of what an attempt leaves behind: its error, its result, its lines in the log.
// Called by run-attempt.ts for attempts whose parameters read secrets.
import type { Json } from '../dag/vocabulary.ts';
import type { ProgramLog } from '../programs/program.ts';

export interface Redact {
  text: (text: string) => string;
  json: (value: Json) => Json;
  log: (log: ProgramLog) => ProgramLog;
}

const MASK = '***';
/** Shorter ones are in too many texts that have nothing to do with them. */
const SHORTEST = 4;
const DEEPEST = 8;

/** As they are, and as they stand in URLs and in base64. */
export function makeRedact(secrets: string[]): Redact {
  const forms = secrets.filter((secret) => secret.length >= SHORTEST).flatMap(listForms);
  // The longest first: one may be a part of another.
  const values = [...new Set(forms)].sort((a, b) => b.length - a.length);
  const text = (given: string) => values.reduce((left, value) => left.replaceAll(value, MASK), given);
  const json = (value: Json): Json => redactParts(value, text, Infinity) as Json;
  return { text, json, log: (log) => redactLog(log, text) };
}

function listForms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    JSON.stringify(secret).slice(1, -1),
  ];
}

function redactLog(log: ProgramLog, text: (given: string) => string): ProgramLog {
  const redacted =
    (level: keyof ProgramLog): ProgramLog[typeof level] =>
    (message, fields) =>
      log[level](
        redactParts(message, text, 1) as string,
        fields === undefined ? undefined : (redactParts(fields, text, DEEPEST) as Record<string, unknown>),
      );
  return {
    debug: redacted('debug'),
    info: redacted('info'),
    warn: redacted('warn'),
    error: redacted('error'),
  };
}

function redactParts(value: unknown, text: (given: string) => string, levels: number): unknown {
  if (typeof value === 'string') return text(value);
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return MASK;
  if (Array.isArray(value)) return value.map((item) => redactParts(item, text, levels - 1));
  if (value instanceof Error) return redactError(value, text);
  const parts = Object.entries(value).map(([key, part]) => [text(key), redactParts(part, text, levels - 1)]);
  return Object.fromEntries(parts) as object;
}

function redactError({ name, message, stack }: Error, text: (given: string) => string): Error {
  return Object.assign(new Error(text(message)), {
    name,
    ...(stack === undefined ? {} : { stack: text(stack) }),
  });
}
