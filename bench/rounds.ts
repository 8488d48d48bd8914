// Runs every case of the chosen shapes once a round, round after round, so that what changes on the machine meets all alike.
import { messageOf } from '../src/errors.ts';
import { runCase } from './case.ts';
import type { Options } from './options.ts';
import { cloneDatabase, dropDatabase, makeTemplate, nameOfDatabase } from './server.ts';
import type { Case, CaseContext, Sample, Shape } from './shape.ts';

/** All that was measured of one case. */
export interface Measured {
  samples: Sample[];
  /** Why rounds are missing. */
  errors: string[];
}

/** By shape, then by case. */
export type Measurements = Map<string, Map<string, Measured>>;

interface Run {
  server: string;
  options: Options;
  signal: AbortSignal;
  say: (line: string) => void;
  /** Names of template databases, by contender. */
  templates: Map<string, string>;
  /** Addresses of databases that serve every round, by shape and case. */
  kept: Map<string, string>;
}

export async function runRounds(
  shapes: Shape[],
  given: Omit<Run, 'templates' | 'kept'>,
): Promise<Measurements> {
  const run: Run = { ...given, templates: new Map(), kept: new Map() };
  const all: Measurements = new Map(shapes.map(({ name }) => [name, new Map()]));
  try {
    const missing = await findMissing(shapes, run);
    for (let round = 1; round <= run.options.rounds; round += 1) {
      for (const shape of shapes) {
        for (const [name, one] of Object.entries(shape.cases)) {
          if (missing.has(one.contender.name) || run.signal.aborted) continue;
          run.say(`round ${round}/${run.options.rounds}  ${shape.name} · ${name}`);
          await measureOnce(run, shape, name, one, all);
        }
      }
    }
    return all;
  } finally {
    for (const url of run.kept.values()) await dropDatabase(run.server, nameOfDatabase(url));
    for (const template of run.templates.values()) await dropDatabase(run.server, template);
  }
}

async function findMissing(shapes: Shape[], { say }: Run): Promise<Set<string>> {
  const missing = new Set<string>();
  const contenders = new Set(shapes.flatMap(({ cases }) => Object.values(cases).map((one) => one.contender)));
  for (const { name, missing: why } of contenders) {
    const reason = await why?.();
    if (reason === undefined) continue;
    missing.add(name);
    say(`${name} is left out: ${reason}`);
  }
  return missing;
}

async function measureOnce(run: Run, shape: Shape, name: string, one: Case, all: Measurements) {
  const measured: Measured = all.get(shape.name)?.get(name) ?? { samples: [], errors: [] };
  all.get(shape.name)?.set(name, measured);
  try {
    const sample = await runOnce(run, shape, name, one);
    if (sample === null) return;
    measured.samples.push(sample);
    run.say(`           ${describeHeadline(shape, sample)}`);
  } catch (error) {
    measured.errors.push(messageOf(error));
    run.say(`           failed: ${messageOf(error)}`);
  }
}

async function runOnce(run: Run, shape: Shape, name: string, one: Case): Promise<Sample | null> {
  const { options, signal } = run;
  const url = await findDatabase(run, shape, name, one);
  try {
    const order = { shape: shape.name, name, do: 'run' as const, context: contextOf(options, url) };
    return await runCase(order, options.limit, signal);
  } finally {
    if (!one.fill) await dropDatabase(run.server, nameOfDatabase(url));
  }
}

async function findDatabase(run: Run, shape: Shape, name: string, one: Case): Promise<string> {
  const key = `${shape.name}/${name}`;
  const kept = run.kept.get(key);
  if (kept !== undefined) return kept;
  const url = await cloneDatabase(run.server, await findTemplate(run, one), one.fill ? shape.name : 'case');
  if (!one.fill) return url;
  run.kept.set(key, url);
  run.say(`           filling ${run.options.history} finished and ${run.options.blocked} blocked tasks in`);
  const context = contextOf(run.options, url);
  await runCase({ shape: shape.name, name, do: 'fill', context }, run.options.limit, run.signal);
  return url;
}

async function findTemplate(run: Run, { contender }: Case): Promise<string> {
  const template = run.templates.get(contender.name) ?? (await makeTemplate(run.server, contender));
  run.templates.set(contender.name, template);
  return template;
}

function contextOf({ tasks, history, blocked }: Options, url: string): CaseContext {
  return { url, tasks, history, blocked };
}

function describeHeadline({ headline }: Shape, { figures }: Sample): string {
  const value = figures[headline.figure];
  const shown =
    value === undefined
      ? Object.entries(figures)
          .map(([name, figure]) => `${name} ${figure.toFixed(2)}`)
          .join(', ')
      : `${value.toFixed(value < 100 ? 2 : 0)} ${headline.unit}`;
  return shown;
}
