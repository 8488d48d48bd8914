// Writes the figures of results/latest.json between the two markers of docs/performance.md. Called by run.ts --write-docs.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { barTable, formatMarkdown, shapeTables } from './report.ts';
import { readResults, type Results } from './results.ts';

const FILE = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const BEGIN = '<!-- figures: begin (written by `node bench/run.ts --write-docs`) -->';
const END = '<!-- figures: end -->';

/** Returns the path of what was written. Throws when there are no results, or no markers. */
export async function writeDocs(): Promise<string> {
  const page = await readFile(FILE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`${FILE} lacks its markers: ${BEGIN} and ${END}`);
  const figures = describe(await readResults());
  const text = `${page.slice(0, begin)}${BEGIN}\n\n${figures}\n${page.slice(end)}`;
  await writeFile(FILE, await format(text, { ...(await resolveConfig(FILE)), parser: 'markdown' }));
  return FILE;
}

function describe(results: Results): string {
  const { date, machine, postgres, versions, options } = results;
  const facts = [
    ['measured', date.slice(0, 10)],
    ['machine', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GiB, Node ${machine.node}`],
    ['Postgres', list(postgres)],
    ['versions', list(versions)],
    ['run', list(options)],
  ];
  const head = facts.map(([name, value]) => `- ${name}: ${value}`).join('\n');
  const tables = [barTable(results.bars), ...shapeTables(results)].map(formatMarkdown);
  return `${head}\n\n${tables.join('\n')}`;
}

function list(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
