// `npm run bench`: Umbel and its peers in one go on one Postgres; prints tables and writes results/latest.json.
import { messageOf } from '../src/errors.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import { barTable, formatText, shapeTables } from './report.ts';
import { makeResults, saveResults, type Results } from './results.ts';
import { runRounds } from './rounds.ts';
import { startServer } from './server.ts';
import { SHAPES } from './shapes.ts';
import { writeDocs } from './write-docs.ts';

const say = (line: string) => process.stderr.write(`${line}\n`);

try {
  const options = readOptions(
    process.argv.slice(2),
    SHAPES.map(({ name }) => name),
  );
  if (options.help) process.stdout.write(USAGE);
  else if (options.writeDocs) say(`wrote ${await writeDocs()}`);
  else process.exitCode = await bench(options);
} catch (error) {
  say(messageOf(error));
  process.exitCode = 2;
}

/** Returns 0 when every bar that was measured is met and no case failed, else 1. */
async function bench(options: Options): Promise<number> {
  const shapes = SHAPES.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const signal = abortOnSignals();
  const server = await startServer(process.env.DATABASE_URL);
  try {
    const measurements = await runRounds(shapes, { server: server.url, options, signal, say });
    if (signal.aborted) throw new Error('stopped before the end; nothing is written');
    const results = await makeResults(shapes, measurements, server, options);
    await saveResults(results);
    print(results);
    return isGood(results) ? 0 : 1;
  } finally {
    await server.stop();
  }
}

/** The first signal ends the running case and cleans up. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

function print(results: Results): void {
  const { machine, postgres, versions } = results;
  process.stdout.write(`${JSON.stringify({ machine, postgres, versions })}\n\n`);
  for (const table of [...shapeTables(results), barTable(results.bars)])
    process.stdout.write(`${formatText(table)}\n`);
}

function isGood({ bars, shapes }: Results): boolean {
  const failed = Object.values(shapes).some(({ cases }) =>
    Object.values(cases).some(({ errors }) => errors.length > 0),
  );
  return !failed && bars.every(({ met }) => met !== false);
}
