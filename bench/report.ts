// Results as tables, for a terminal and for docs/performance.md alike. Called by run.ts and write-docs.ts.
import type { Judged } from './judge.ts';
import type { CaseResult, Results } from './results.ts';

export interface Table {
  title: string;
  head: string[];
  rows: string[][];
}

type Column = [head: string, cell: (result: CaseResult) => string];

/** One table a shape: who, how set, how fast, at what cost. */
export function shapeTables({ shapes }: Results): Table[] {
  return Object.values(shapes).map(({ title, headline, cases }) => {
    const results = Object.values(cases);
    const columns = columnsFor(headline.figure, headline.unit).filter(([, cell]) =>
      results.some((result) => cell(result) !== ''),
    );
    return {
      title,
      head: ['', ...columns.map(([head]) => head)],
      rows: Object.entries(cases).map(([name, result]) => [name, ...columns.map(([, cell]) => cell(result))]),
    };
  });
}

export function barTable(bars: Judged[]): Table {
  return {
    title: 'Bars',
    head: ['shape', 'measured', 'bar', 'value', ''],
    rows: bars.map(({ shape, text, bar, value, unit, met }) => [
      shape,
      text,
      `${bar} ${unit}`.trim(),
      value === null ? '' : formatNumber(value),
      met === null ? 'not measured' : met ? 'met' : 'MISSED',
    ]),
  };
}

function columnsFor(figure: string, unit: string): Column[] {
  const median =
    (name: string, digits?: number): Column[1] =>
    (result) =>
      formatFigure(result.median[name], digits);
  const setting =
    (name: string): Column[1] =>
    (result) =>
      String(result.settings[name] ?? '');
  return [
    ['watchers', setting('watchers')],
    ['WORKERS', setting('workers')],
    ['ahead', setting('claimAhead')],
    [unit, median(figure)],
    ['first is', ({ ratio }) => (ratio === null ? '' : `${formatNumber(ratio)} ×`)],
    ['start p99 ms', median('startP99Ms')],
    ['hop p50 ms', median('hopP50Ms')],
    ['chain p50 ms', median('chainP50Ms')],
    ['update p50 ms', median('updateP50Ms')],
    ['tasks a call', median('tasksPerCall', 0)],
    ['commits a task', median('commitsPerTask', 4)],
    ['WAL B a task', median('walBytesPerTask', 0)],
    ['dead a task', median('deadTuplesPerTask', 2)],
    [
      'HOT',
      ({ median: { hotUpdateShare } }) =>
        hotUpdateShare === undefined ? '' : `${Math.round(hotUpdateShare * 100)} %`,
    ],
    ['Node CPU s', median('nodeCpuSeconds', 2)],
    ['peak MB', median('peakRssMb', 0)],
    ['MB', median('rssMb', 0)],
    ['loop p99 ms', median('loopDelayP99Ms', 1)],
    ['deadlocks', median('deadlocks', 0)],
    ['appendonly', setting('appendonly')],
    ['samples', median('samples', 0)],
    ['rounds', ({ rounds }) => String(rounds.length)],
    ['failed', ({ errors }) => errors.join('; ')],
  ];
}

function formatFigure(value: number | undefined, digits?: number): string {
  if (value === undefined || Number.isNaN(value)) return '';
  return digits === undefined ? formatNumber(value) : value.toFixed(digits);
}

function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(2);
}

/** Aligned, the first two columns at the left, numbers at the right. */
export function formatText({ title, head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => (row[at] ?? '').length)));
  const lines = all.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return `${title}\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

export function formatMarkdown({ title, head, rows }: Table): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = line(head.map((_, at) => (at === 0 ? '---' : '---:')));
  return [`### ${title}`, '', line(head), rule, ...rows.map(line), ''].join('\n');
}
