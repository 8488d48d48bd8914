// Secrets by name: written as `$secrets.github` or `secrets: [github]`, kept in the environment as SECRET_GITHUB.
const PREFIX = 'SECRET_';

/** Undefined: there is none of that name. */
export type FindSecret = (name: string) => string | undefined;

/** Letters may be of any case, and what cannot stand in a variable's name is `_`: `my-key` is SECRET_MY_KEY. */
export function findSecretIn(env: Record<string, string | undefined>): FindSecret {
  return (name) => env[PREFIX + name.toUpperCase().replace(/[^A-Z0-9]/g, '_')] || undefined;
}
