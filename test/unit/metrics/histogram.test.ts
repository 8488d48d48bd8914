import { Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { addHistogram } from '../../../src/metrics/histogram.ts';

const OPTIONS = { name: 'seconds', help: 'Some.', buckets: [0.1, 1, 10] };
const VALUES = [0, 0.1, 0.1000001, 1, 5, 10, 11, 0.5];

it('says what a histogram of prom-client says', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const add = addHistogram(ours, OPTIONS);
  const histogram = new Histogram({ ...OPTIONS, labelNames: ['route'], registers: [theirs] });
  for (const route of ['/a', '/b "quoted"']) {
    const series = add({ route });
    for (const value of VALUES) {
      series.observe(value);
      histogram.observe({ route }, value);
    }
  }
  expect(linesOf(await ours.metrics())).toEqual(linesOf(await theirs.metrics()));
});

/** Without regard to the order of labels. */
function linesOf(text: string): Set<string> {
  return new Set(
    text.split('\n').map((line) =>
      line.replace(/\{(.*)\}/, (_, labels: string) =>
        labels
          .split(',')
          .toSorted((a, b) => a.localeCompare(b))
          .join(),
      ),
    ),
  );
}

it('says nothing of series that nobody made', async () => {
  const registry = new Registry();
  addHistogram(registry, OPTIONS);
  expect(await registry.metrics()).toBe('# HELP seconds Some.\n# TYPE seconds histogram\n');
});
