// The result of a run as results/latest.json has it. Made by run.ts, read again by write-docs.ts.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, platform, release, totalmem } from 'node:os';
import { format } from 'prettier';
import { BARS } from './bars.ts';
import { judgeBars, type Judged } from './judge.ts';
import type { Options } from './options.ts';
import type { Measured, Measurements } from './rounds.ts';
import { describeServer, type Server } from './server.ts';
import type { Figures, Sample, Shape } from './shape.ts';
import { medianFigures } from './statistics.ts';

export interface CaseResult {
  contender: string;
  settings: Sample['settings'];
  median: Figures;
  /** How often as fast the first case of the shape is; null when either was not measured. */
  ratio: number | null;
  rounds: Figures[];
  errors: string[];
}

export interface Results {
  date: string;
  machine: Record<string, string | number>;
  postgres: Record<string, string>;
  versions: Record<string, string>;
  options: Pick<Options, 'rounds' | 'tasks' | 'history' | 'blocked'>;
  shapes: Record<string, { title: string; headline: Shape['headline']; cases: Record<string, CaseResult> }>;
  bars: Judged[];
}

const FILE = new URL('./results/latest.json', import.meta.url);

export async function makeResults(
  shapes: Shape[],
  measurements: Measurements,
  server: Server,
  { rounds, tasks, history, blocked }: Options,
): Promise<Results> {
  const results = Object.fromEntries(
    shapes.map((shape) => [shape.name, shapeResult(shape, measurements.get(shape.name) ?? new Map())]),
  );
  const chosen = BARS.filter(({ shape }) => shape in results);
  const find = (shape: string, name: string, figure: string) => results[shape]?.cases[name]?.median[figure];
  return {
    date: new Date().toISOString(),
    machine: describeMachine(),
    postgres: { server: server.kind, ...(await describeServer(server.url)) },
    versions: await readVersions(shapes),
    options: { rounds, tasks, history, blocked },
    shapes: results,
    bars: judgeBars(chosen, find),
  };
}

export async function saveResults(results: Results): Promise<void> {
  await mkdir(new URL('.', FILE), { recursive: true });
  await writeFile(FILE, await format(JSON.stringify(results), { parser: 'json', printWidth: 110 }));
}

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(FILE, 'utf8')) as Results;
}

function shapeResult({ title, headline, cases }: Shape, measured: Map<string, Measured>) {
  const entries = Object.entries(cases).map(([name, { contender }]): [string, CaseResult] => {
    const { samples = [], errors = [] } = measured.get(name) ?? {};
    const rounds = samples.map(({ figures }) => figures);
    const settings = samples.at(-1)?.settings ?? {};
    const median = medianFigures(rounds);
    return [name, { contender: contender.name, settings, median, ratio: null, rounds, errors }];
  });
  const first = entries[0]?.[1].median[headline.figure];
  for (const [, result] of entries) result.ratio = compare(first, result.median[headline.figure], headline);
  return { title, headline, cases: Object.fromEntries(entries) };
}

function compare(a: number | undefined, b: number | undefined, { better }: Shape['headline']): number | null {
  if (a === undefined || b === undefined || a === 0 || b === 0) return null;
  return better === 'more' ? a / b : b / a;
}

function describeMachine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

async function readVersions(shapes: Shape[]): Promise<Record<string, string>> {
  const contenders = shapes.flatMap(({ cases }) => Object.values(cases).map(({ contender }) => contender));
  const names = new Set(contenders.flatMap((contender) => contender.package ?? []));
  const own = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const peers = JSON.parse(await readFile(new URL('./package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const listed = [...names].map((name): [string, string] => [name, peers.dependencies[name] ?? 'unknown']);
  return Object.fromEntries([['umbel', own.version], ...listed]);
}
