// Whether there is anybody to run a flow's programs: judged by the watchers and components that are known. Called by repository.ts.
import { didYouMean } from '../../dag/near.ts';
import { DEFAULT_POOL, type Problem } from '../../dag/vocabulary.ts';
import type { KnownPrograms } from '../../sql/known-programs.ts';
import type { FlowDefinition, StepDefinition } from '../definition/schema.ts';
import { splitProgram } from './view.ts';

export interface Judged {
  /** Watchers of the pool are known, and none has it. */
  problems: Problem[];
  /** Nobody can say: no watcher of the pool is known. */
  warnings: Problem[];
}

export function judgePrograms(flow: FlowDefinition, known: KnownPrograms): Judged {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  for (const [at, step] of flow.steps.entries()) {
    const path = `graph.nodes[${at}].function`;
    const verdict = judgeProgram(step, poolOf(step, flow), known);
    if (verdict?.kind === 'unknown') problems.push({ path, message: verdict.message });
    if (verdict?.kind === 'unclear') warnings.push({ path, message: verdict.message });
  }
  return { problems, warnings };
}

export function poolOf(step: StepDefinition, { defaults }: Pick<FlowDefinition, 'defaults'>): string {
  return step.pool ?? defaults?.pool ?? DEFAULT_POOL;
}

/** null: somebody runs it. */
export function judgeProgram(
  { program }: StepDefinition,
  pool: string,
  { pools, components }: KnownPrograms,
): { kind: 'unknown' | 'unclear'; message: string } | null {
  if (components.has(splitProgram(program).componentId)) return null;
  const programs = pools.get(pool);
  if (programs === undefined) {
    const message = `no watcher of the pool "${pool}" is known, so nobody can say whether one has the program "${program}"`;
    return { kind: 'unclear', message };
  }
  if (programs.has(program)) return null;
  const near = didYouMean(program, programs);
  return { kind: 'unknown', message: `no watcher of the pool "${pool}" has the program "${program}"${near}` };
}
