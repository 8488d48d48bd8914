// Loads the programs that users keep in a directory of their own (`--programs DIR`). Called by cmd/ at start.
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeIsolate, type Isolate } from './isolate.ts';
import { isProgram, type Program } from './program.ts';
import { resolvePackage } from './resolve-package.ts';

const MODULE = /\.(ts|mts|js|mjs)$/;
const IGNORED = /\.d\.m?ts$|\.test\.[a-z]+$/;

interface LoadedModule {
  file: string;
  programs: Program[];
  problem?: string;
}

/** Every program that the modules directly in `dir` export; throws one error that names each bad file. */
export async function loadPrograms(dir: string): Promise<Program[]> {
  const files = await findModules(dir);
  resolvePackage();
  const isolate = makeIsolate();
  const modules: LoadedModule[] = [];
  for (const file of files) modules.push(await loadModule(resolve(dir, file), isolate));
  const problems = [...modules.flatMap(({ problem }) => problem ?? []), ...findDuplicates(modules)];
  if (files.length === 0)
    problems.push(`${dir}: there is no module (.ts, .mts, .js, .mjs) in this directory`);
  if (problems.length > 0) throw new Error(`programs could not be loaded:\n  ${problems.join('\n  ')}`);
  return modules.flatMap(({ programs }) => programs);
}

async function findModules(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
    return names.filter((name) => MODULE.test(name) && !IGNORED.test(name)).sort();
  } catch (cause) {
    throw new Error(`programs could not be loaded:\n  ${dir}: ${messageOf(cause)}`, { cause });
  }
}

async function loadModule(file: string, isolate: Isolate): Promise<LoadedModule> {
  try {
    const module = pathToFileURL(file).href;
    const exports = (await import(module)) as Record<string, unknown>;
    const programs = findPrograms(exports, module, isolate);
    if (programs.length > 0) return { file, programs };
    return {
      file,
      programs,
      problem: `${file}: exports no program; export what defineProgram() returns, or move helpers into a directory below`,
    };
  } catch (thrown) {
    return { file, programs: [], problem: `${file}: ${messageOf(thrown)}` };
  }
}

/** Each program once, however often it is exported; those that ask for a thread are made to run in one. */
function findPrograms(exports: Record<string, unknown>, module: string, isolate: Isolate): Program[] {
  const names = new Map<Program, string>();
  for (const [name, value] of Object.entries(exports)) if (isProgram(value)) names.set(value, name);
  return [...names].map(([program, exported]) =>
    program.isolate ? isolate(program, { module, exported }) : program,
  );
}

function findDuplicates(modules: LoadedModule[]): string[] {
  const owners = new Map<string, string[]>();
  for (const { file, programs } of modules)
    for (const { name } of programs) owners.set(name, [...(owners.get(name) ?? []), file]);
  return [...owners]
    .filter(([, files]) => files.length > 1)
    .map(([name, files]) => `program "${name}" is defined in ${files.join(' and in ')}`);
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
