// The programs one process knows, by name. Made by cmd/, asked by watcher/run.ts for every attempt.
import { nearMatches } from '../dag/near.ts';
import type { Program } from './program.ts';

export interface Registry {
  get(name: string): Program | undefined;
  /** In the order they were given. */
  list(): Program[];
  names(): string[];
  /** Known names that `name` may have meant, best first. */
  nearMatches(name: string): string[];
  /** Why `name` cannot be run, with near matches and all known names. */
  describeUnknown(name: string): string;
}

/** A registry of these programs; throws when two have one name. */
export function makeRegistry(programs: Iterable<Program>): Registry {
  const byName = new Map<string, Program>();
  for (const program of programs) {
    if (byName.has(program.name))
      throw new Error(`program "${program.name}" is defined twice: give one of them another name`);
    if (program.isolate && program.home === null)
      throw new Error(
        `program "${program.name}" has isolate: true, but a thread finds only programs that a module of the --programs directory exports`,
      );
    byName.set(program.name, program);
  }
  const near = (name: string) => nearMatches(name, byName.keys().toArray());
  return {
    get: (name) => byName.get(name),
    list: () => [...byName.values()],
    names: () => [...byName.keys()],
    nearMatches: near,
    describeUnknown: (name) => describeUnknown(name, near(name), [...byName.keys()]),
  };
}

function describeUnknown(name: string, near: string[], known: string[]): string {
  const hint = near.length > 0 ? ` (did you mean ${near.join(' or ')}?)` : '';
  return `program "${name}" is not known here${hint}; ${known.length > 0 ? `known: ${known.sort().join(', ')}` : 'there is none'}`;
}
