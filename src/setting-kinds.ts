// What a setting's text may be: one kind a form of value, each with the words that an error message needs.
// Used by the table in config.ts alone.
import { isIP } from 'node:net';
import { DURATION_FORM, parseDuration } from './dag/duration.ts';

export interface Kind<T> {
  /** Completes "allowed: …". */
  allowed: string;
  /** The value, or undefined when the text is not of this kind. */
  parse: (text: string) => T | undefined;
}

export const text: Kind<string> = { allowed: 'any text', parse: (value) => value };

export const onOff: Kind<boolean> = {
  allowed: 'true, false, 1, 0, yes, no, on, off',
  parse: (value) =>
    ({ true: true, '1': true, yes: true, on: true, false: false, '0': false, no: false, off: false })[
      value.toLowerCase()
    ],
};

export function choice<const T extends string>(...values: T[]): Kind<T> {
  return { allowed: values.join(', '), parse: (value) => values.find((known) => known === value) };
}

export function integer(min: number, max: number): Kind<number> {
  const within = (number: number) => (number >= min && number <= max ? number : undefined);
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (value) => (/^\d{1,15}$/.test(value) ? within(Number(value)) : undefined),
  };
}

/** A duration in milliseconds within bounds; timers cannot wait longer than 24 days. */
export function duration(min: string, max: string): Kind<number> {
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0];
  return {
    allowed: `${DURATION_FORM}; from ${min} to ${max}`,
    parse: (value) => {
      const milliseconds = parseDuration(value);
      return milliseconds !== undefined && milliseconds >= least && milliseconds <= most
        ? milliseconds
        : undefined;
    },
  };
}

/** A duration, or the word that stands for none. */
export function durationOr<const W extends string>(word: W, min: string, max: string): Kind<number | W> {
  const { allowed, parse } = duration(min, max);
  return {
    allowed: `${word}, or ${allowed}`,
    parse: (value) => (value === word ? word : parse(value)),
  };
}

/** As argv begins: names that are looked for in PATH, or paths. */
export const commandList: Kind<string[]> = {
  allowed: 'commands with commas between, as argv begins: python3,/usr/local/bin/convert',
  parse: (value) => {
    const commands = value.split(',').map((entry) => entry.trim());
    return commands.every((command) => command !== '') ? commands : undefined;
  },
};

/** Host names in lower case, addresses, and networks as `address/bits`. */
export const hostList: Kind<string[]> = {
  allowed: 'host names, addresses and networks with commas between: intranet.example,10.1.2.3,fd00::/8',
  parse: (value) => {
    const entries = value.split(',').map((entry) => entry.trim().toLowerCase());
    return entries.every((entry) => isHostName(entry) || isIP(entry) !== 0 || isNetwork(entry))
      ? entries
      : undefined;
  },
};

function isHostName(entry: string): boolean {
  return entry !== '' && URL.parse(`http://${entry}/`)?.host === entry;
}

function isNetwork(entry: string): boolean {
  const [address = '', bits = '', ...rest] = entry.split('/');
  const width = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= width;
}

export const postgresUrl: Kind<string> = {
  allowed: 'postgres://USER:PASSWORD@HOST:PORT/DATABASE (special characters in the password percent-encoded)',
  parse: (value) => parseUrl(value, ['postgres:', 'postgresql:'])?.text,
};

export const httpUrl: Kind<string> = {
  allowed: 'an address such as https://umbel.example.com',
  parse: (value) => parseUrl(value, ['http:', 'https:'])?.text.replace(/\/+$/, ''),
};

/** Of a message broker; several servers are one address that stands for them. */
export function brokerUrl(...protocols: string[]): Kind<string> {
  return {
    allowed: `${protocols.join(' or ')}//USER:PASSWORD@HOST:PORT`,
    parse: (value) => parseUrl(value, protocols)?.text,
  };
}

function parseUrl(value: string, protocols: string[]): { text: string } | undefined {
  if (!URL.canParse(value)) return undefined;
  const url = new URL(value);
  const readable = [url.username, url.password, url.pathname].every(isPercentEncoded);
  return readable && protocols.includes(url.protocol) ? { text: value } : undefined;
}

function isPercentEncoded(part: string): boolean {
  try {
    return decodeURIComponent(part).length >= 0;
  } catch {
    return false;
  }
}
