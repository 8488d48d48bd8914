// Lets a module anywhere on disk import 'umbel' and 'typebox' though no node_modules is near it. Called by load.ts.
import { registerHooks, type ResolveHookSync } from 'node:module';

const ENTRY = new URL('../index.ts', import.meta.url).href;

let isRegistered = false;

/** From now on `umbel` means this package, and `typebox` its copy of it where the importer has none. */
export function resolvePackage(): void {
  if (isRegistered) return;
  isRegistered = true;
  registerHooks({ resolve: resolveSpecifier });
}

const resolveSpecifier: ResolveHookSync = (specifier, context, nextResolve) => {
  // Always this copy: one set of error classes, and Node strips no types below node_modules.
  if (specifier === 'umbel') return { url: ENTRY, shortCircuit: true };
  if (specifier !== 'typebox' && !specifier.startsWith('typebox/')) return nextResolve(specifier, context);
  try {
    return nextResolve(specifier, context);
  } catch {
    return nextResolve(specifier, { ...context, parentURL: import.meta.url });
  }
};
